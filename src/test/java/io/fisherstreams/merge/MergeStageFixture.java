package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static io.fisherstreams.merge.MergeStageDriver.planned;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A stage with a base model, and what its tests do and expect again and again. */
abstract class MergeStageFixture {
  static final double EPSILON = 0.25;
  static final Parameter W = new Parameter("w", "F32", List.of(3L), true);
  static final Parameter SCALE = new Parameter("scale", "F32", List.of(), true);
  static final Parameter KEEP = new Parameter("keep", "F32", List.of(2L), false);
  static final Parameter EMPTY = new Parameter("void", "F32", List.of(0L), true);

  @TempDir Path directory;

  MergeStageDriver stage;

  @BeforeEach
  void start() {
    stage = new MergeStageDriver(directory, 1);
    ModelManifest base =
        stage
            .manifest("base", 1, KEEP, unmerged(SCALE), unmerged(EMPTY), unmerged(W))
            .setRole(Role.BASE)
            .build();
    stage.announce(base);
    stage.checkpoint("base", 1, "keep", 0, floats(41, 42));
    stage.checkpoint("base", 1, "scale", 0, floats(1));
    stage.checkpoint("base", 1, "void", 0, floats());
    stage.checkpoint("base", 1, "w", 0, floats(1, 2, 3));
  }

  @AfterEach
  void close() {
    stage.close();
  }

  static Parameter unmerged(Parameter parameter) {
    return new Parameter(parameter.getName(), parameter.getDtype(), parameter.getShape(), false);
  }

  ModelManifest.Builder model(String name, long version) {
    return stage.manifest(name, version, SCALE, EMPTY, W);
  }

  void checkpoint(String name, long version, float scale, float... w) {
    stage.checkpoint(name, version, "scale", 0, floats(scale));
    stage.checkpoint(name, version, "void", 0, floats());
    stage.checkpoint(name, version, "w", 0, floats(w));
  }

  void fisher(String name, long version, float scale, float... w) {
    stage.fisher(name, version, "scale", scale);
    stage.fisher(name, version, "void");
    stage.fisher(name, version, "w", w);
  }

  void twoModels() {
    stage.announce(model("a", 1).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    fisher("a", 1, 0.5f, 1, 0, 3);
    stage.announce(model("b", 1).build());
    checkpoint("b", 1, 4, 5, 7, -2);
    fisher("b", 1, 1.5f, 0.125f, 0, 9);
  }

  void planTwo(long release) {
    stage.plan(release, EPSILON, List.of(), planned("a", 1, 1, 0.75), planned("b", 1, 1, 0.5));
  }

  /** θ = Σ c (F + ε) θ_m / Σ c (F + ε) of two models, rounded once. */
  static float merge(double f1, double theta1, double f2, double theta2) {
    double w1 = 0.75 * (f1 + EPSILON);
    double w2 = 0.5 * (f2 + EPSILON);
    return (float) ((w1 * theta1 + w2 * theta2) / (w1 + w2));
  }

  static final float[] W_OF_TWO = {merge(1, 1, 0.125, 5), merge(0, -1, 0, 7), merge(3, 0.5, 9, -2)};

  void assertMergesTwo(long release) {
    Map<String, float[]> merged = stage.merged();
    assertThat(merged)
        .containsOnlyKeys(release + "/keep", release + "/scale", release + "/void", release + "/w");
    assertThat(merged.get(release + "/keep")).containsExactly(41, 42);
    assertThat(merged.get(release + "/void")).isEmpty();
    assertThat(merged.get(release + "/scale")).containsExactly(merge(0.5, 2, 1.5, 4));
    assertThat(merged.get(release + "/w")).containsExactly(W_OF_TWO);
  }

  byte[] encode(CheckpointShard shard) {
    var topic = stage.topics().checkpointShards();
    return topic.value().serializer().serialize(topic.name(), shard);
  }

  byte[] encode(GradientBatch batch) {
    var topic = stage.topics().gradientBatches();
    return topic.value().serializer().serialize(topic.name(), batch);
  }

  /** Asserts that after compaction, and without local files, the topics give the same release. */
  void assertMergesTwoFromTheTopicsAlone() {
    stage.compact();
    delete(stage.folder("a", 1));
    stage.restart();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
    assertThat(stage.reasons()).as("what was sent again is accepted").isEmpty();
  }

  /** Each of the values is a dead letter. */
  void assertRejected(Topic<ShardKey, ?> topic, String key, List<byte[]> values) {
    for (byte[] value : values) {
      stage.pipe(topic, bytes(key), value);
      assertThat(stage.reasons()).hasSize(1);
    }
  }

  static GradientBatch squares(String model, long version, float... data) {
    return batch(model, version, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(data));
  }

  int folds() {
    int folds = 0;
    var store = stage.stage().driver().getKeyValueStore(MergeTopology.FOLDED);
    try (var all = store.all()) {
      while (all.hasNext()) {
        all.next();
        folds++;
      }
    }
    return folds;
  }

  static String total(ModelProgress progress, String parameter) {
    return progress.getSums().stream()
        .filter(sums -> sums.getParameter().equals(parameter))
        .findFirst()
        .orElseThrow()
        .getTotal();
  }

  static void delete(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
