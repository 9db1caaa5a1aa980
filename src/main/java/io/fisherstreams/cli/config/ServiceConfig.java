package io.fisherstreams.cli.config;

import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.gradient.stage.GradientOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/**
 * The configuration of the services, one YAML; {@code docs/configuration.md} says what each key
 * means.
 *
 * @param pool the pool's name, prefix of its topics
 * @param bootstrapServers Kafka's brokers, or null
 * @param schemaRegistry URL, or null
 * @param commandConfig Kafka client settings, or null
 * @param stateDirectory this instance's own folder
 * @param partitions of the sharded topics, when they are created
 * @param replication replication factor of topics and changelogs; null for the brokers' default
 * @param mergeThreads stream threads of the merge stage
 * @param standbys standby replicas of the stages' stores
 * @param gradient how the gradient stage works
 * @param policy when a change of the pool becomes a plan
 */
public record ServiceConfig(
    String pool,
    String bootstrapServers,
    String schemaRegistry,
    Path commandConfig,
    Path stateDirectory,
    int partitions,
    Short replication,
    int mergeThreads,
    int standbys,
    GradientOptions gradient,
    PlanPolicy policy) {
  private static final Set<String> KEYS =
      Set.of(
          "pool",
          "bootstrap_servers",
          "schema_registry",
          "command_config",
          "state_directory",
          "partitions",
          "replication_factor",
          "merge",
          "gradient",
          "coordinator");

  /** What holds without a file. */
  public static ServiceConfig defaults() {
    return new ServiceConfig(
        "pool",
        null,
        null,
        null,
        Path.of("fisher-streams-state"),
        4,
        null,
        2,
        0,
        GradientOptions.standard(),
        PlanPolicy.standard());
  }

  /** Reads and checks a file. */
  public static ServiceConfig read(Path file) {
    ServiceConfig defaults = defaults();
    StrictYaml yaml = StrictYaml.read(file, KEYS);
    Optional<StrictYaml> merge = yaml.mapping("merge", Set.of("threads", "standby_replicas"));
    Optional<StrictYaml> coordinator =
        yaml.mapping(
            "coordinator",
            Set.of("quiet_millis", "longest_wait_millis", "keep_releases", "keep_hours"));
    int replication = yaml.whole("replication_factor", 0, 1);
    if (replication > Short.MAX_VALUE) {
      throw yaml.refuse("replication_factor", "is " + replication + ", more than Kafka takes");
    }
    PlanPolicy standard = defaults.policy();
    long quiet =
        coordinator
            .map(c -> c.whole("quiet_millis", standard.quiet().toMillis(), 0))
            .orElse(standard.quiet().toMillis());
    long longest =
        coordinator
            .map(
                c ->
                    c.whole(
                        "longest_wait_millis", Math.max(quiet, standard.longest().toMillis()), 0))
            .orElse(standard.longest().toMillis());
    if (longest < quiet) {
      throw coordinator
          .orElse(yaml)
          .refuse(
              "longest_wait_millis",
              "is " + longest + ", expected at least quiet_millis, " + quiet);
    }
    return new ServiceConfig(
        yaml.text("pool", defaults.pool()),
        yaml.text("bootstrap_servers", null),
        yaml.text("schema_registry", null),
        yaml.has("command_config") ? yaml.path("command_config") : null,
        yaml.has("state_directory") ? yaml.path("state_directory") : defaults.stateDirectory(),
        yaml.whole("partitions", defaults.partitions(), 1),
        replication == 0 ? null : (short) replication,
        merge
            .map(m -> m.whole("threads", defaults.mergeThreads(), 1))
            .orElse(defaults.mergeThreads()),
        merge
            .map(m -> m.whole("standby_replicas", defaults.standbys(), 0))
            .orElse(defaults.standbys()),
        gradient(yaml),
        new PlanPolicy(
            Duration.ofMillis(quiet),
            Duration.ofMillis(longest),
            coordinator
                .map(c -> c.whole("keep_releases", standard.keep(), 1))
                .orElse(standard.keep()),
            Duration.ofHours(coordinator.map(c -> c.whole("keep_hours", 0, 0)).orElse(0)),
            standard.await()));
  }

  private static GradientOptions gradient(StrictYaml yaml) {
    GradientOptions standard = GradientOptions.standard();
    return yaml.mapping(
            "gradient", Set.of("claim_examples", "linger_millis", "torchscript_directory"))
        .map(
            g ->
                new GradientOptions(
                    g.whole("claim_examples", standard.claimExamples(), 1),
                    Duration.ofMillis(g.whole("linger_millis", standard.linger().toMillis(), 0)),
                    g.has("torchscript_directory")
                        ? Optional.of(g.path("torchscript_directory"))
                        : Optional.empty()))
        .orElse(standard);
  }
}
