package io.fisherstreams.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The bytes of an adapter's records against Avro's specification and the schemas. */
class AdapterBenchTest {
  private static final String MODEL = "arrival";
  private static final String QUERY = "layers.0.self_attn.q_proj.weight";

  /** 600 · 500 elements are two shards, of 262,144 and 37,856. */
  private static final int[] SHARDS = {262_144, 37_856};

  @TempDir private Path directory;

  /** Bytes of a number: seven bits a byte, after the sign went to the last bit. */
  private static int number(long value) {
    long zigzag = (value << 1) ^ (value >> 63);
    int bytes = 1;
    while ((zigzag & ~0x7FL) != 0) {
      zigzag >>>= 7;
      bytes++;
    }
    return bytes;
  }

  private static int bytes(long length) {
    return number(length) + (int) length;
  }

  private static int text(String text) {
    return bytes(text.getBytes(StandardCharsets.UTF_8).length);
  }

  /** Magic byte and schema id, then model, version, parameter and shard of both payloads. */
  private static int head(int shard) {
    return 5 + text(MODEL) + number(1) + text(QUERY) + number(shard);
  }

  private static long checkpointShards(int width) {
    long sum = 0;
    for (int i = 0; i < SHARDS.length; i++) {
      sum += (QUERY + "[" + i + "] " + MODEL + "@1").length();
      sum += head(i) + bytes((long) width * SHARDS[i]);
    }
    return sum;
  }

  /** Source, sequence, examples, encoding, no indices, and float32. */
  private static long gradientBatches() {
    long sum = 0;
    for (int i = 0; i < SHARDS.length; i++) {
      sum += (QUERY + "[" + i + "] " + MODEL + "@1 bench#0").length();
      sum += head(i) + text("bench") + number(0) + number(1) + number(4);
      sum += bytes(0) + bytes(4L * SHARDS[i]);
    }
    return sum;
  }

  @ParameterizedTest
  @CsvSource({"F32, 4", "BF16, 2"})
  void anAdapterSendsItsChangedTensorsOnly(DType dtype, int width) throws IOException {
    Path base = Files.createDirectories(directory.resolve("base"));
    Path adapter = directory.resolve("adapter");
    SyntheticModel model =
        new SyntheticModel(
            List.of(
                new TensorInfo(QUERY, dtype, List.of(600L, 500L)),
                new TensorInfo("layers.0.mlp.up_proj.weight", dtype, List.of(900L, 500L))));
    model.writeCheckpoint(base.resolve("model.safetensors"), 0);
    Files.writeString(base.resolve("config.json"), "{\"model_type\": \"llama\"}");
    AdapterBench.write(adapter, model, Set.of("q_proj"));
    SentBytes sent = AdapterBench.sent(base, adapter);
    assertThat(sent.byTopic())
        .containsEntry("pool.checkpoint-shards", checkpointShards(width))
        .containsEntry("pool.gradient-batches", gradientBatches())
        .containsOnlyKeys("pool.checkpoint-shards", "pool.gradient-batches", "pool.models");
    assertThat(sent.byTopic().get("pool.models")).isLessThan(500);
    assertThat(AdapterBench.sent(base, base).byTopic().get("pool.checkpoint-shards"))
        .isGreaterThan(750_000L * width);
  }

  @Test
  void numbersHaveSevenBitsAByte() {
    assertThat(List.of(number(0), number(63), number(64), number(-64), number(262_144)))
        .containsExactly(1, 1, 2, 1, 3);
  }
}
