package io.fisherstreams.record.serde;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.errors.SerializationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Short records that take endless time, memory or stack, by themselves or by their schema. */
class HostileSchemasTest {
  private interface Write {
    void to(BinaryEncoder encoder) throws IOException;
  }

  private final SchemaRegistry registry = SchemaRegistry.inMemory();

  private <T extends SpecificRecord> T read(Class<T> type, byte[] bytes) {
    return AvroSerde.of(registry, type, PoolTopics.MAX_RECORD_BYTES)
        .deserializer()
        .deserialize("t", bytes);
  }

  private byte[] bytes(Schema schema, Write write) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(new byte[] {0, 0, 0, 0, (byte) registry.register("t-value", schema)});
    BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(out, null);
    write.to(encoder);
    encoder.flush();
    return out.toByteArray();
  }

  /** A CheckpointShard with one more field in front, of the type that this JSON gives. */
  private static Schema withExtra(String type) {
    String json = CheckpointShard.getClassSchema().toString();
    String fields = "\"fields\":[";
    return new Schema.Parser()
        .parse(
            json.replaceFirst(
                "\"fields\":\\[",
                java.util.regex.Matcher.quoteReplacement(
                    fields + "{\"name\":\"extra\",\"type\":" + type + "},")));
  }

  private static void shard(BinaryEncoder encoder) throws IOException {
    encoder.writeString("m");
    encoder.writeLong(1);
    encoder.writeString("p");
    encoder.writeInt(0);
    encoder.writeBytes(new byte[4]);
  }

  private static Arguments hostile(String extra, Write write, String reason) {
    return Arguments.of(extra, write, reason);
  }

  static Stream<Arguments> hostile() {
    String chain = "{\"type\":\"record\",\"name\":\"L\",\"fields\":[";
    StringBuilder doubling = new StringBuilder("\"null\"");
    for (int i = 0; i < 30; i++) {
      doubling =
          new StringBuilder(chain.replace("\"L\"", "\"L" + i + "\""))
              .append("{\"name\":\"a\",\"type\":")
              .append(doubling)
              .append("},{\"name\":\"b\",\"type\":")
              .append(i == 0 ? "\"null\"" : "\"L" + (i - 1) + "\"")
              .append("}]}");
    }
    return Stream.of(
        hostile(
            chain + "{\"name\":\"next\",\"type\":[\"null\",\"L\"]}]}",
            encoder -> {
              for (int i = 0; i < 100_000; i++) {
                encoder.writeIndex(1);
              }
              encoder.writeIndex(0);
            },
            "has the type io.fisherstreams.record.L inside itself"),
        hostile(
            "{\"type\":\"array\",\"items\":\"null\"}",
            encoder -> encoder.writeLong(Long.MAX_VALUE),
            "has an array whose items take no bytes"),
        hostile(
            "{\"type\":\"array\",\"items\":" + chain + "]}}",
            encoder -> encoder.writeLong(Long.MAX_VALUE),
            "has an array whose items take no bytes"),
        hostile(
            "{\"type\":\"array\",\"items\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":0}}",
            encoder -> encoder.writeLong(Long.MAX_VALUE),
            "has an array whose items take no bytes"),
        hostile(doubling.toString(), encoder -> {}, "has more than 1000 types"),
        hostile(
            "{\"type\":\"array\",\"items\":".repeat(40) + "\"int\"" + "}".repeat(40),
            encoder -> {},
            "nests more than 32 types"),
        hostile(
            "{\"type\":\"array\",\"items\":\"boolean\"}",
            encoder -> encoder.writeLong(Long.MAX_VALUE),
            "9223372036854775807 items, but only"),
        hostile(
            "{\"type\":\"map\",\"values\":\"null\"}",
            encoder -> encoder.writeLong(Long.MAX_VALUE),
            "9223372036854775807 items, but only"),
        hostile(
            "{\"type\":\"array\",\"items\":\"int\"}",
            encoder -> {
              encoder.writeLong(-1); // a block of one item, of so many bytes: back to its start
              encoder.writeLong(-2);
            },
            "bytes of length -2"),
        hostile(
            "{\"type\":\"array\",\"items\":\"string\"}",
            encoder -> {
              encoder.writeLong(3);
              encoder.writeLong(-2); // each string would be skipped backwards
            },
            "bytes of length -2"),
        hostile("\"string\"", encoder -> encoder.writeLong(1 << 30), "1073741824 bytes, but only"),
        hostile("\"bytes\"", encoder -> encoder.writeLong(1 << 30), "1073741824 bytes, but only"),
        hostile(
            "{\"type\":\"fixed\",\"name\":\"F\",\"size\":1073741824}",
            encoder -> {},
            "not a CheckpointShard"),
        hostile(
            "[\"null\",\"int\"]", encoder -> encoder.writeIndex(1 << 30), "not a CheckpointShard"));
  }

  @ParameterizedTest
  @MethodSource("hostile")
  void aHostileFieldIsTheRecordsFault(String extra, Write write, String reason) throws IOException {
    Schema schema = withExtra(extra);
    byte[] bytes =
        bytes(
            schema,
            encoder -> {
              write.to(encoder);
              shard(encoder);
            });
    assertThatThrownBy(() -> read(CheckpointShard.class, bytes))
        .isInstanceOf(SerializationException.class)
        .hasMessageContaining(reason);
  }

  @Test
  void aHarmlessFieldIsSkipped() throws IOException {
    Schema schema =
        withExtra(
            "{\"type\":\"array\",\"items\":[\"null\",{\"type\":\"map\",\"values\":\"int\"}]}");
    byte[] plain =
        bytes(
            schema,
            encoder -> {
              encoder.writeLong(1);
              encoder.writeIndex(0);
              encoder.writeLong(0);
              shard(encoder);
            });
    assertThat(read(CheckpointShard.class, plain).getModel()).isEqualTo("m");
  }

  static Stream<Arguments> counts() {
    return Stream.of(
        Arguments.of((Write) encoder -> encoder.writeLong(Integer.MAX_VALUE - 8)),
        Arguments.of((Write) encoder -> encoder.writeLong(Long.MAX_VALUE)),
        Arguments.of((Write) encoder -> encoder.writeLong(-Long.MAX_VALUE)),
        Arguments.of((Write) encoder -> encoder.writeLong(Long.MIN_VALUE)));
  }

  @ParameterizedTest
  @MethodSource("counts")
  void aListOfImpossibleLengthIsNotAllocated(Write count) throws IOException {
    byte[] bytes =
        bytes(
            ModelManifest.getClassSchema(),
            encoder -> {
              encoder.writeString("m");
              encoder.writeLong(1);
              encoder.writeEnum(0);
              count.to(encoder);
            });
    assertThatThrownBy(() -> read(ModelManifest.class, bytes))
        .isInstanceOf(SerializationException.class);
  }

  @Test
  void everySchemaOfOursPasses() {
    for (Schema schema :
        List.of(
            ModelManifest.getClassSchema(),
            io.fisherstreams.record.Release.getClassSchema(),
            io.fisherstreams.record.AliasRequest.getClassSchema(),
            io.fisherstreams.record.PartitionProgress.getClassSchema(),
            io.fisherstreams.record.LabelledExample.getClassSchema())) {
      WriterSchema.check(schema);
    }
  }

  @Test
  void randomBytesAreRejectedOrReadAndNothingElse() throws IOException {
    Random random = new Random(20);
    byte[] good = bytes(ModelManifest.getClassSchema(), encoder -> {});
    for (int i = 0; i < 20_000; i++) {
      byte[] bytes = new byte[good.length + random.nextInt(60)];
      random.nextBytes(bytes);
      System.arraycopy(good, 0, bytes, 0, good.length);
      try {
        read(ModelManifest.class, bytes);
      } catch (SerializationException e) {
        assertThat(e).hasMessageContaining("ModelManifest");
      }
    }
  }
}
