package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.cli.Main;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A pool whose stages are processes of their own: a coordinator, and merging instances that can be
 * killed. It publishes with the command line, and keeps every release.
 */
final class ProcessPool implements AutoCloseable {
  private final Path directory;
  private final EmbeddedBroker broker;
  private final KafkaSettings kafka;
  private final FaultedPool pool;
  private final Path client;
  private final Model base;

  /** Starts a broker and a coordinator, and publishes a base model. */
  ProcessPool(Path directory) throws IOException {
    this.directory = directory;
    broker = EmbeddedBroker.start(directory.resolve("broker"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
    pool = new FaultedPool("pool", kafka, directory);
    client = StageProcess.quicklyGivenUp(directory);
    pool.start(
        "coordinator",
        stage("coordinator", "COORDINATOR", "coordinator:\n  keep_releases: 1000\n"));
    base = Model.base(directory, 1);
    pool.base(base);
    cli(
        "publish",
        "checkpoint",
        base.checkpoint().toString(),
        "--model",
        "base",
        "--base",
        "--exclude",
        Model.EXCLUDED);
  }

  FaultedPool pool() {
    return pool;
  }

  KafkaSettings kafka() {
    return kafka;
  }

  /** Starts a merging instance. */
  StageProcess merge(String name, String config) throws IOException {
    StageProcess merge = stage(name, "MERGE", config);
    pool.start(name, merge);
    return merge;
  }

  /**
   * An instance of a stage that is not started.
   *
   * @param config its configuration, YAML
   */
  StageProcess stage(String name, String stage, String config) throws IOException {
    Path file = Files.writeString(directory.resolve(name + ".yaml"), config);
    return process(name, "run", "--stages", stage, "--config", file.toString());
  }

  /** A command that is not started, with a state directory and a log under its name. */
  StageProcess process(String name, String... arguments) {
    List<String> line = new ArrayList<>(List.of(arguments));
    line.addAll(connection());
    if (arguments[0].equals("run")) {
      line.addAll(List.of("--state-directory", state(name).toString()));
    }
    return new StageProcess(directory.resolve(name + ".log"), line);
  }

  /** The state directory of an instance. */
  Path state(String name) {
    return directory.resolve("state-" + name);
  }

  private List<String> connection() {
    return List.of(
        "--pool", "pool",
        "--bootstrap-servers", broker.bootstrapServers(),
        "--schema-registry", pool.registryUrl(),
        "--command-config", client.toString());
  }

  /** Runs a command in this process. */
  void cli(String... arguments) {
    List<String> line = new ArrayList<>(List.of(arguments));
    line.addAll(connection());
    assertThat(Main.run(line.toArray(String[]::new))).as(String.join(" ", line)).isZero();
  }

  /** Publishes a model with its Fisher. */
  void publish(Model model) {
    cli("publish", "checkpoint", model.checkpoint().toString(), "--model", model.name());
    long version = manifest(model.name()).orElseThrow().getVersion();
    pool.published(model.name() + "@" + version, model);
    // A killed stage may not have counted the Fisher of the version before.
    cli(
        "publish",
        "fisher",
        model.fisher().toString(),
        "--model",
        model.name(),
        "--checkpoint",
        model.checkpoint().toString());
  }

  Optional<ModelManifest> manifest(String model) {
    try (PoolModels models = PoolModels.open(kafka, pool.topics())) {
      return models.find(model);
    }
  }

  /** Asserts that the newest release, exported, is what the merge command makes of the files. */
  void requireSameAsTheMergeCommand(List<Model> models) throws IOException {
    StringBuilder yaml = new StringBuilder("base: " + base.checkpoint() + "\nmodels:\n");
    for (Model model : models) {
      yaml.append("  - name: ").append(model.name()).append('\n');
      yaml.append("    checkpoint: ").append(model.checkpoint()).append('\n');
      yaml.append("    fisher: ").append(model.fisher()).append('\n');
    }
    yaml.append("method:\n  exclude_param_names_regex: ['" + Model.EXCLUDED + "']\n");
    yaml.append("  normalize_fisher_weight: true\n  minimal_fisher_weight: 1e-06\n");
    Path file = Files.writeString(directory.resolve("merge.yaml"), yaml);
    Path undisturbed = directory.resolve("undisturbed.safetensors");
    Path exported = directory.resolve("exported.safetensors");
    Files.deleteIfExists(undisturbed);
    Files.deleteIfExists(exported);
    assertThat(Main.run("merge", file.toString(), "-o", undisturbed.toString())).isZero();
    cli("export", "-o", exported.toString());
    for (TensorInfo tensor : Model.TENSORS) {
      assertThat(Model.read(exported, tensor)).isEqualTo(Model.read(undisturbed, tensor));
    }
    pool.held("the newest release equals an undisturbed in-process merge");
  }

  @Override
  public void close() {
    pool.close();
    broker.close();
  }
}
