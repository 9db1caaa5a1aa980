package io.fisherstreams.record.serde;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.PoolTopics;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AvroSerdeTest {
  private static final String TOPIC = "pool.checkpoint-shards";

  private final Subjects registry = new Subjects();
  private final Serializer<CheckpointShard> write =
      AvroSerde.of(registry, CheckpointShard.class).serializer();
  private final Deserializer<CheckpointShard> read =
      AvroSerde.of(registry, CheckpointShard.class).deserializer();

  @Test
  void writesTheBytesThatTheWireFormatAndAvroDefine() {
    registry.register("other", Schema.create(Schema.Type.INT));
    byte[] bytes = write.serialize(TOPIC, shard(ByteBuffer.wrap(new byte[] {7, 8})));
    assertThat(bytes)
        .containsExactly(
            0, // magic byte
            0,
            0,
            0,
            2, // id
            2,
            'm', // string: zigzag length, UTF-8
            0x80 | (300 * 2 & 0x7f),
            (300 * 2) >> 7, // long 300: zigzag, base 128
            4,
            0xc3,
            0xa9, // two bytes of UTF-8
            6, // int 3
            4,
            7,
            8); // bytes
  }

  @Test
  void writesWhatAvrosOwnReaderReads() throws IOException {
    byte[] payload = random(1 << 20);
    byte[] bytes = write.serialize(TOPIC, shard(ByteBuffer.wrap(payload)));
    GenericRecord record =
        new GenericDatumReader<GenericRecord>(CheckpointShard.getClassSchema())
            .read(null, DecoderFactory.get().binaryDecoder(bytes, 5, bytes.length - 5, null));
    assertThat(record.get("version")).isEqualTo(300L);
    assertThat(((ByteBuffer) record.get("data")).array()).isEqualTo(payload);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void writesTheRemainingBytesOfABufferAndLeavesItAsItWas(boolean direct) {
    byte[] all = random(1000);
    ByteBuffer buffer = direct ? ByteBuffer.allocateDirect(1000) : ByteBuffer.allocate(1000);
    buffer.put(all).position(100).limit(900);
    byte[] bytes = write.serialize(TOPIC, shard(buffer));
    assertThat(buffer.position()).isEqualTo(100);
    assertThat(buffer.limit()).isEqualTo(900);
    assertThat(bytes(read.deserialize(TOPIC, bytes).getData()))
        .isEqualTo(Arrays.copyOfRange(all, 100, 900));
  }

  @Test
  void keepsNull() {
    assertThat(write.serialize(TOPIC, null)).isNull();
    assertThat(read.deserialize(TOPIC, null)).isNull();
  }

  @Test
  void registersOnceUnderTheTopicsValue() {
    for (int i = 0; i < 3; i++) {
      write.serialize(TOPIC, shard(ByteBuffer.allocate(0)));
    }
    assertThat(registry.subjects).containsExactly(TOPIC + "-value");
  }

  @Test
  void readsRecordsOfAnEarlierAndALaterSchema() throws IOException {
    Schema now = CheckpointShard.getClassSchema();
    Schema later = with(now, new Schema.Field("added", Schema.create(Schema.Type.LONG), "", 5L));
    GenericRecord record = generic(later, ByteBuffer.wrap(new byte[] {1, 2}));
    record.put("added", 9L);
    CheckpointShard shard = read.deserialize(TOPIC, encode(later, record));
    assertThat(shard.getVersion()).isEqualTo(300);
    assertThat(bytes(shard.getData())).containsExactly(1, 2);

    Schema without =
        without(GradientBatch.getClassSchema(), "indices"); // a field that has a default
    GenericRecord batch = new GenericData.Record(without);
    batch.put("model", "m");
    batch.put("version", 1L);
    batch.put("parameter", "p");
    batch.put("shard", 0);
    batch.put("source", "s");
    batch.put("sequence", 0L);
    batch.put("examples", 1L);
    batch.put(
        "encoding",
        new GenericData.EnumSymbol(without.getField("encoding").schema(), "SQUARED_SUM"));
    batch.put("data", ByteBuffer.wrap(new byte[4]));
    GradientBatch earlier =
        AvroSerde.of(registry, GradientBatch.class)
            .deserializer()
            .deserialize(TOPIC, encode(without, batch));
    assertThat(earlier.getEncoding()).isEqualTo(Encoding.SQUARED_SUM);
    assertThat(earlier.getIndices().remaining()).isZero();
  }

  @Test
  void readsAnEncodingOfALaterVersionAsUnknown() throws IOException {
    String text =
        GradientBatch.getClassSchema().toString().replace("\"MEAN_SQUARE\"", "\"HOLOGRAM\"");
    Schema later = new Schema.Parser().parse(text);
    GenericRecord batch = new GenericData.Record(later);
    batch.put("model", "m");
    batch.put("version", 1L);
    batch.put("parameter", "p");
    batch.put("shard", 0);
    batch.put("source", "s");
    batch.put("sequence", 0L);
    batch.put("examples", 1L);
    batch.put(
        "encoding", new GenericData.EnumSymbol(later.getField("encoding").schema(), "HOLOGRAM"));
    batch.put("indices", ByteBuffer.allocate(0));
    batch.put("data", ByteBuffer.allocate(4));
    assertThat(
            AvroSerde.of(registry, GradientBatch.class)
                .deserializer()
                .deserialize(TOPIC, encode(later, batch))
                .getEncoding())
        .isEqualTo(Encoding.UNKNOWN);
  }

  @Test
  void refusesEveryTruncation() {
    byte[] bytes = write.serialize(TOPIC, shard(ByteBuffer.wrap(random(40))));
    for (int length = 0; length < bytes.length; length++) {
      byte[] part = Arrays.copyOf(bytes, length);
      assertThatThrownBy(() -> read.deserialize(TOPIC, part))
          .as("%d of %d bytes", length, bytes.length)
          .isInstanceOf(SerializationException.class)
          .hasMessageContaining(TOPIC);
    }
  }

  @Test
  void refusesBytesAfterTheRecord() {
    byte[] bytes = write.serialize(TOPIC, shard(ByteBuffer.wrap(random(40))));
    assertThatThrownBy(() -> read.deserialize(TOPIC, Arrays.copyOf(bytes, bytes.length + 1)))
        .isInstanceOf(SerializationException.class)
        .hasMessageContaining("after the end");
  }

  @Test
  void refusesAnotherFormatAndAnUnknownId() {
    assertThatThrownBy(
            () -> read.deserialize(TOPIC, "{\"json\": 1}".getBytes(StandardCharsets.UTF_8)))
        .isInstanceOf(SerializationException.class)
        .hasMessageContaining("wire format");
    assertThatThrownBy(() -> read.deserialize(TOPIC, new byte[] {0, 0, 0, 0, 9, 1}))
        .isInstanceOf(SerializationException.class)
        .hasMessageContaining("9");
  }

  @Test
  void refusesARecordOfAnotherType() throws IOException {
    Schema other =
        new Schema.Parser().parse("{\"type\":\"record\",\"name\":\"x.Other\",\"fields\":[]}");
    byte[] bytes = encode(other, new GenericData.Record(other));
    assertThatThrownBy(() -> read.deserialize(TOPIC, bytes))
        .isInstanceOf(SerializationException.class)
        .hasMessageContaining("x.Other")
        .hasMessageContaining("CheckpointShard");
  }

  @ParameterizedTest
  @ValueSource(longs = {Integer.MAX_VALUE - 10L, Integer.MAX_VALUE, 1L << 40, -5, Long.MIN_VALUE})
  void refusesAbsurdLengthsWithoutAllocatingThem(long length) throws IOException {
    int id = registry.register("any", CheckpointShard.getClassSchema());
    byte[] longName = raw(id, encoder -> writeLong(encoder, length));
    byte[] longData =
        raw(
            id,
            encoder -> {
              writeString(encoder, "m");
              writeLong(encoder, 1);
              writeString(encoder, "p");
              writeLong(encoder, 0);
              writeLong(encoder, length);
            });
    int planId = registry.register("any", MergedTensor.getClassSchema());
    byte[] longShape =
        raw(
            planId,
            encoder -> {
              writeLong(encoder, 1);
              writeString(encoder, "p");
              writeLong(encoder, 0);
              writeLong(encoder, 1);
              writeString(encoder, "F32");
              writeLong(encoder, length);
            });
    Deserializer<MergedTensor> tensors = AvroSerde.of(registry, MergedTensor.class).deserializer();
    assertThatThrownBy(() -> read.deserialize(TOPIC, longName))
        .isInstanceOf(SerializationException.class);
    assertThatThrownBy(() -> read.deserialize(TOPIC, longData))
        .isInstanceOf(SerializationException.class);
    assertThatThrownBy(() -> tensors.deserialize(TOPIC, longShape))
        .isInstanceOf(SerializationException.class);
  }

  @Test
  void refusesAValueOverTheLimitBeforeItIsWritten() {
    int overhead = write.serialize(TOPIC, shard(ByteBuffer.allocate(1 << 20))).length - (1 << 20);
    ByteBuffer most = ByteBuffer.allocate(PoolTopics.MAX_RECORD_BYTES - overhead);
    assertThat(write.serialize(TOPIC, shard(most))).hasSize(PoolTopics.MAX_RECORD_BYTES);
    assertThatThrownBy(
            () -> write.serialize(TOPIC, shard(ByteBuffer.allocate(most.capacity() + 1))))
        .isInstanceOf(RecordTooLargeException.class)
        .hasMessageContaining(TOPIC)
        .hasMessageContaining(Integer.toString(PoolTopics.MAX_RECORD_BYTES + 1));
  }

  private static CheckpointShard shard(ByteBuffer data) {
    return new CheckpointShard("m", 300L, "é", 3, data);
  }

  private static GenericRecord generic(Schema schema, ByteBuffer data) {
    GenericRecord record = new GenericData.Record(schema);
    record.put("model", "m");
    record.put("version", 300L);
    record.put("parameter", "é");
    record.put("shard", 3);
    record.put("data", data);
    return record;
  }

  private static Schema with(Schema schema, Schema.Field added) {
    List<Schema.Field> fields = copy(schema);
    fields.add(added);
    return Schema.createRecord(
        schema.getName(), schema.getDoc(), schema.getNamespace(), false, fields);
  }

  private static Schema without(Schema schema, String field) {
    List<Schema.Field> fields = copy(schema);
    fields.removeIf(f -> f.name().equals(field));
    return Schema.createRecord(
        schema.getName(), schema.getDoc(), schema.getNamespace(), false, fields);
  }

  private static List<Schema.Field> copy(Schema schema) {
    List<Schema.Field> fields = new ArrayList<>();
    schema.getFields().forEach(f -> fields.add(new Schema.Field(f, f.schema())));
    return fields;
  }

  /** A record as a client of another code base writes it. */
  private byte[] encode(Schema schema, GenericRecord record) throws IOException {
    int id = registry.register(TOPIC + "-value", schema);
    return raw(
        id,
        encoder -> {
          try {
            new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
          } catch (IOException e) {
            throw new AssertionError(e);
          }
        });
  }

  private static byte[] raw(int id, Consumer<BinaryEncoder> body) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(0);
    out.write(ByteBuffer.allocate(4).putInt(id).array());
    BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(out, null);
    body.accept(encoder);
    return out.toByteArray();
  }

  private static void writeLong(BinaryEncoder encoder, long value) {
    try {
      encoder.writeLong(value);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static void writeString(BinaryEncoder encoder, String value) {
    try {
      encoder.writeString(value);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static byte[] random(int length) {
    byte[] bytes = new byte[length];
    new Random(11).nextBytes(bytes);
    return bytes;
  }

  private static byte[] bytes(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return bytes;
  }

  /** Remembers what was asked of the in-memory registry. */
  private static final class Subjects implements SchemaRegistry {
    private final SchemaRegistry inMemory = SchemaRegistry.inMemory();
    private final List<String> subjects = new ArrayList<>();

    @Override
    public int register(String subject, Schema schema) {
      subjects.add(subject);
      return inMemory.register(subject, schema);
    }

    @Override
    public Schema byId(int id) {
      return inMemory.byId(id);
    }
  }
}
