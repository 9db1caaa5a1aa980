package io.fisherstreams.config;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.gate.GateOptions;
import io.fisherstreams.record.AliasName;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.webhook.Webhook;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
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
 * @param gate how releases are judged, if they are
 * @param webhooks who is told of releases
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
    PlanPolicy policy,
    Optional<GateOptions> gate,
    List<Webhook> webhooks) {
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
          "coordinator",
          "gate",
          "webhooks");

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
        PlanPolicy.standard(),
        Optional.empty(),
        List.of());
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
            standard.await()),
        gate(yaml),
        webhooks(yaml));
  }

  private static Optional<GateOptions> gate(StrictYaml yaml) {
    return yaml.mapping("gate", Set.of("alias", "largest_drop", "batch_size", "tasks"))
        .map(
            gate -> {
              List<GateOptions.Task> tasks = tasks(gate);
              double largestDrop = gate.number("largest_drop", GateOptions.LARGEST_DROP, 0);
              if (largestDrop > 1) {
                throw gate.refuse("largest_drop", "is " + largestDrop + ", expected at most 1");
              }
              String alias = gate.text("alias");
              try {
                new AliasName(alias);
              } catch (InvalidInput e) {
                throw gate.refuse("alias", e.getMessage());
              }
              return new GateOptions(
                  alias,
                  largestDrop,
                  gate.whole("batch_size", ManifestRules.DEFAULT_BATCH_SIZE, 1),
                  tasks);
            });
  }

  private static List<GateOptions.Task> tasks(StrictYaml gate) {
    Set<String> names = new HashSet<>();
    List<GateOptions.Task> tasks = new ArrayList<>();
    Set<String> keys = Set.of("name", "model", "examples", "head", "torchscript");
    for (StrictYaml task : gate.mappings("tasks", keys)) {
      if (!names.add(task.text("name"))) {
        throw task.refuse("name", "'" + task.text("name") + "' stands twice");
      }
      tasks.add(
          new GateOptions.Task(
              task.text("name"),
              task.path("model"),
              task.path("examples"),
              optionalPath(task, "head"),
              optionalPath(task, "torchscript")));
    }
    if (tasks.isEmpty()) {
      throw gate.refuse("tasks", "expected at least one task");
    }
    return tasks;
  }

  private static Optional<Path> optionalPath(StrictYaml yaml, String key) {
    return yaml.has(key) ? Optional.of(yaml.path(key)) : Optional.empty();
  }

  private static List<Webhook> webhooks(StrictYaml yaml) {
    Set<String> names = new HashSet<>();
    List<Webhook> webhooks = new ArrayList<>();
    Set<String> keys =
        Set.of(
            "name",
            "url",
            "secret_env",
            "secret_file",
            "timeout_millis",
            "first_wait_millis",
            "longest_wait_millis");
    for (StrictYaml hook : yaml.mappings("webhooks", keys)) {
      String name = hook.text("name");
      if (!name.matches("[A-Za-z0-9._-]{1,50}")) {
        throw hook.refuse("name", "is '" + name + "', expected 1 to 50 letters, digits and . _ -");
      }
      if (!names.add(name)) {
        throw hook.refuse("name", "'" + name + "' stands twice");
      }
      if (hook.has("secret_env") == hook.has("secret_file")) {
        throw hook.refuse("secret_env", "expected one of secret_env and secret_file");
      }
      long firstWait = hook.whole("first_wait_millis", Webhook.FIRST_WAIT.toMillis(), 1);
      webhooks.add(
          new Webhook(
              name,
              url(hook),
              Optional.ofNullable(hook.text("secret_env", null)),
              optionalPath(hook, "secret_file"),
              Duration.ofMillis(hook.whole("timeout_millis", Webhook.TIMEOUT.toMillis(), 1)),
              Duration.ofMillis(firstWait),
              Duration.ofMillis(
                  hook.whole(
                      "longest_wait_millis",
                      Math.max(firstWait, Webhook.MAX_WAIT.toMillis()),
                      firstWait))));
    }
    return webhooks;
  }

  private static URI url(StrictYaml hook) {
    String text = hook.text("url");
    try {
      URI url = new URI(text);
      boolean isHttp = "http".equals(url.getScheme()) || "https".equals(url.getScheme());
      if (isHttp && url.getHost() != null && url.getUserInfo() == null) {
        return url;
      }
    } catch (URISyntaxException e) {
      // refused below like another scheme
    }
    throw hook.refuse("url", "expected http://HOST/... or https://HOST/..., without user");
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
