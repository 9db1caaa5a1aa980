package io.fisherstreams.record.serde;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.record.Alias;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.avro.message.SchemaStore;
import org.apache.avro.specific.SpecificData;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;
import org.junit.jupiter.api.Test;

/** A store after an upgrade: a release added fields to a record that the one before wrote. */
class StateSerdeTest {
  private static final Set<String> OLD_FIELDS =
      Set.of("alias", "release", "earlier", "at", "request", "refusal");

  /** The schema as if a release had added the other fields. */
  private static Schema old() {
    Schema now = Alias.getClassSchema();
    List<Schema.Field> fields =
        now.getFields().stream()
            .filter(field -> OLD_FIELDS.contains(field.name()))
            .map(field -> new Schema.Field(field, field.schema()))
            .collect(Collectors.toList());
    assertThat(fields).hasSize(OLD_FIELDS.size());
    assertThat(now.getFields()).hasSizeGreaterThan(OLD_FIELDS.size());
    return Schema.createRecord(now.getName(), now.getDoc(), now.getNamespace(), false, fields);
  }

  private static byte[] written(Schema schema) throws IOException {
    GenericData data = new GenericData();
    SpecificData.getForClass(Alias.class).getConversions().forEach(data::addLogicalTypeConversion);
    GenericRecord record = new GenericData.Record(schema);
    record.put("alias", "production");
    record.put("release", 7L);
    record.put("earlier", List.of(5L, 3L));
    record.put("at", Instant.ofEpochMilli(1_700_000_000_000L));
    record.put("request", "r1");
    record.put("refusal", "");
    ByteBuffer bytes = new BinaryMessageEncoder<GenericRecord>(data, schema).encode(record);
    byte[] array = new byte[bytes.remaining()];
    bytes.get(array);
    return array;
  }

  private static Serde<Alias> serde(String earlier) {
    SchemaStore schemas = EarlierSchemas.read(new BufferedReader(new StringReader(earlier)));
    return StateSerde.of(Alias.class, StateSerde.MAX_BYTES, schemas);
  }

  @Test
  void aValueOfAnEarlierReleaseIsReadWithTheDefaultsOfNewFields() throws IOException {
    try (Serde<Alias> serde = serde(old() + "\n\n")) {
      Alias read = serde.deserializer().deserialize("store", written(old()));
      assertThat(read.getAlias()).isEqualTo("production");
      assertThat(read.getRelease()).isEqualTo(7);
      assertThat(read.getEarlier()).containsExactly(5L, 3L);
      assertThat(read.getAt()).isEqualTo(Instant.ofEpochMilli(1_700_000_000_000L));
      assertThat(read.getHeld()).isFalse();
      assertThat(
              serde
                  .deserializer()
                  .deserialize("store", serde.serializer().serialize("store", read)))
          .isEqualTo(read);
    }
  }

  @Test
  void aValueOfAnUnknownReleaseIsRejectedWithTheStoresName() throws IOException {
    byte[] bytes = written(old());
    try (Serde<Alias> serde = serde("")) {
      assertThatThrownBy(() -> serde.deserializer().deserialize("store", bytes))
          .isInstanceOf(SerializationException.class)
          .hasMessageContaining("store")
          .hasMessageContaining("Alias");
    }
  }

  @Test
  void theSchemasOfEarlierReleasesAreReadable() {
    assertThatCode(EarlierSchemas::load).doesNotThrowAnyException();
  }
}
