package io.fisherstreams.record;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.FisherMerge;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.record.serde.AvroSerde;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import org.apache.avro.Schema;
import org.apache.avro.specific.SpecificRecord;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What {@code docs/protocol.md} promises to other clients is what the code does. */
final class ProtocolDocumentTest {
  private static final Map<Integer, Schema> SCHEMAS =
      Map.of(7, CheckpointShard.getClassSchema(), 8, GradientBatch.getClassSchema());
  private static final SchemaRegistry REGISTRY =
      new SchemaRegistry() {
        @Override
        public int register(String subject, Schema schema) {
          throw new UnsupportedOperationException();
        }

        @Override
        public Schema byId(int id) {
          return SCHEMAS.get(id);
        }
      };

  private String document;

  @BeforeEach
  void read() throws IOException {
    document = Files.readString(Path.of("docs/protocol.md"));
  }

  @Test
  void limitsAreThoseOfTheCode() {
    String limits =
        document.substring(document.indexOf("### Limits"), document.indexOf("## Shards"));
    assertThat(
            Pattern.compile("\\d[\\d,]*(?= *[|;])")
                .matcher(limits)
                .results()
                .map(found -> Long.parseLong(found.group().replace(",", "")))
                .toList())
        .containsExactly(
            (long) Limits.MAX_TENSORS,
            Limits.MAX_ELEMENTS,
            Limits.MAX_BYTES,
            (long) Shard.MAX_SHARDS * Shard.ELEMENTS,
            (long) Limits.MAX_DIMENSIONS,
            (long) Limits.MAX_TENSOR_NAME_LENGTH,
            (long) Limits.MAX_SOURCES,
            (long) Limits.MAX_SOURCES_LENGTH,
            (long) Limits.MAX_SEQUENCE_RUNS,
            (long) Limits.MAX_EXAMPLE_RUNS,
            200L,
            (long) Limits.MAX_PATTERNS,
            (long) Limits.MAX_PATTERN_LENGTH,
            Limits.MAX_PATTERN_WORK,
            (long) Limits.MAX_CONFIG_LENGTH,
            (long) Limits.MAX_COMPANIONS,
            (long) Limits.MAX_COMPANION_BYTES,
            (long) Limits.MAX_COMPANION_LENGTH,
            (long) Limits.MAX_SAMPLES,
            (long) Limits.MAX_BATCH_SIZE,
            (long) Limits.MAX_LEFT_OUT,
            (long) Limits.MAX_LEFT_OUT_REASON_LENGTH,
            (long) Limits.MAX_REQUEST_LENGTH,
            (long) Limits.MAX_VERDICT_REASON_LENGTH,
            (long) Limits.MAX_VERDICT_TASKS);
    assertThat(Limits.MAX_LABEL_LENGTH).isEqualTo(Limits.MAX_TENSOR_NAME_LENGTH);
  }

  @Test
  void topicTableIsThePoolsTopics() {
    Map<String, List<String>> documented = new LinkedHashMap<>();
    Matcher rows =
        Pattern.compile("(?m)^\\| `([a-z-]+)` \\| ([1P]) \\| .* \\| ([^|]+) \\|$")
            .matcher(document);
    while (rows.find()) {
      documented.put(
          "pool." + rows.group(1),
          List.of(rows.group(2), String.join(" ", new TreeSet<>(words(rows.group(3))))));
    }
    Map<String, List<String>> actual = new LinkedHashMap<>();
    for (Topic<?, ?> topic : new PoolTopics("pool", SchemaRegistry.inMemory()).all()) {
      TreeSet<String> config = new TreeSet<>();
      topic.config().forEach((key, value) -> config.add(key + "=" + value));
      actual.put(topic.name(), List.of(topic.sharded() ? "P" : "1", String.join(" ", config)));
    }
    assertThat(documented).isEqualTo(actual);
  }

  @Test
  void rulesOfAModelNameAreTheCodes() {
    Matcher rule =
        Pattern.compile("A name has 1 to (\\d+) characters: ASCII letters, digits and `([^`]+)`")
            .matcher(document);
    assertThat(rule.find()).isTrue();
    int longest = Integer.parseInt(rule.group(1));
    String others = rule.group(2).replace(" ", "");
    assertThat(document).contains("begins with a letter, a digit or `_`, and no part is empty");
    for (char c = 0; c < 256; c++) {
      boolean isLetterOrDigit = String.valueOf(c).matches("[A-Za-z0-9]");
      assertThat(isModelName("a" + c + "a"))
          .as("character %d", (int) c)
          .isEqualTo(isLetterOrDigit || others.indexOf(c) >= 0);
      assertThat(isModelName("a/" + c))
          .as("first character %d", (int) c)
          .isEqualTo(isLetterOrDigit || c == '_');
    }
    assertThat(isModelName("a".repeat(longest))).isTrue();
    assertThat(isModelName("a".repeat(longest + 1))).isFalse();
    assertThat(List.of("", "/a", "a/", "a//a")).noneMatch(ProtocolDocumentTest::isModelName);
  }

  private static boolean isModelName(String text) {
    try {
      return new ModelName(text).value().equals(text);
    } catch (InvalidInput e) {
      return false;
    }
  }

  private static List<String> words(String cell) {
    return List.of(cell.replace("`", "").strip().split(" "));
  }

  @Test
  void workedExampleHasTheRightKeysAndPartition() {
    ModelVersion version = new ModelVersion("a", 1);
    Shard shard = new Shard(new TensorInfo("layer.weight", DType.F32, List.of(1L)), 0);
    assertThat(ShardKey.of(version, shard)).hasToString("layer.weight[0] a@1");
    assertThat(ShardKey.of(version, shard, "t", 0)).hasToString("layer.weight[0] a@1 t#0");
    assertThat(document)
        .contains("`layer.weight[0] a@1`", "`layer.weight[0] a@1 t#0`", "mod 4 = 1");
    assertThat(Shard.partition("layer.weight", 0, 4)).isEqualTo(1);
  }

  @Test
  void workedExampleIsReadAsItSays() {
    CheckpointShard shard = example(0, CheckpointShard.class);
    assertThat(shard)
        .isEqualTo(new CheckpointShard("a", 1L, "layer.weight", 0, floats(1, -2, 0.5f)));
    GradientBatch batch = example(1, GradientBatch.class);
    assertThat(batch)
        .isEqualTo(
            new GradientBatch(
                "a",
                1L,
                "layer.weight",
                0,
                "t",
                0L,
                2L,
                Encoding.SQUARED_SUM,
                ByteBuffer.allocate(0),
                floats(2, 8, 0)));
  }

  @Test
  void workedExampleHasTheRightResultAndChecksum() {
    FisherMerge merge = new FisherMerge(3, 0);
    merge.begin(3);
    merge.add(new Term(DType.F32, floats(1, -2, 0.5f), floats(2, 8, 0), 2, 0.5));
    merge.add(new Term(DType.F32, floats(3, 0, 1), floats(1, 0, 2), 1, 0.5));
    double[] merged = new double[3];
    assertThat(merge.finish(merged)).isZero();
    assertThat(merged).containsExactly(2, -2, 1);
    byte[] data = floats(2, -2, 1).array();
    CRC32C crc = new CRC32C();
    crc.update(data);
    long digest = ReleaseDigest.of("layer.weight", 0, (int) crc.getValue());
    assertThat(document)
        .contains(
            "`data` = " + HexFormat.of().formatHex(data),
            String.format(Locale.ROOT, "CRC-32C %08x", crc.getValue()),
            String.format(Locale.ROOT, "begins with %016x", digest));
  }

  private <T extends SpecificRecord> T example(int place, Class<T> type) {
    List<byte[]> examples = new ArrayList<>();
    Matcher blocks = Pattern.compile("```hex\n(.*?)```", Pattern.DOTALL).matcher(document);
    while (blocks.find()) {
      StringBuilder hex = new StringBuilder();
      // the remark begins after the widest gap
      blocks.group(1).lines().forEach(line -> hex.append(line.split(" {3,}")[0].replace(" ", "")));
      examples.add(HexFormat.of().parseHex(hex));
    }
    return AvroSerde.of(REGISTRY, type, PoolTopics.MAX_RECORD_BYTES)
        .deserializer()
        .deserialize("topic", examples.get(place));
  }

  private static ByteBuffer floats(float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      bytes.putFloat(value);
    }
    return bytes.flip();
  }
}
