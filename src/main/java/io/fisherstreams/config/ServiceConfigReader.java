package io.fisherstreams.config;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.Secrets;
import io.fisherstreams.api.ApiOptions;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.coordinator.ShareLimits;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.gate.GateOptions;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.kernel.KernelName;
import io.fisherstreams.merge.LocalPayloads;
import io.fisherstreams.merge.MergeOptions;
import io.fisherstreams.monitor.MonitorOptions;
import io.fisherstreams.record.AliasName;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.webhook.Webhook;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/** Reads a {@link ServiceConfig} from its YAML. */
final class ServiceConfigReader {
  private static final int MAX_PORT = 65_535;

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
          "webhooks",
          "api",
          "metrics");

  private static final Set<String> MERGE_KEYS =
      Set.of("threads", "kernel", "standby_replicas", "local_payloads");

  private static final Set<String> GRADIENT_KEYS =
      Set.of(
          "claim_examples",
          "linger_millis",
          "torchscript_directory",
          ComputeKeys.DEVICE,
          ComputeKeys.DTYPE);

  private static final Set<String> COORDINATOR_KEYS =
      Set.of("quiet_millis", "longest_wait_millis", "keep_releases", "keep_hours", "largest_share");

  private static final Set<String> GATE_KEYS =
      Set.of(
          "alias",
          "largest_drop",
          "batch_size",
          "leave_out_suspects",
          "tasks",
          ComputeKeys.DEVICE,
          ComputeKeys.DTYPE);

  private static final Set<String> TASK_KEYS =
      Set.of("name", "model", "examples", "head", "torchscript", "max_length");

  private static final Set<String> WEBHOOK_KEYS =
      Set.of(
          "name",
          "url",
          "secret_env",
          "secret_file",
          "timeout_millis",
          "first_wait_millis",
          "longest_wait_millis");

  private static final Set<String> METRICS_KEYS = Set.of("listen", "port");

  private static final Set<String> API_KEYS =
      Set.of(
          "listen",
          "port",
          "token_file",
          "hosts",
          "origins",
          "requests_per_second",
          "downloads",
          "streams");

  private ServiceConfigReader() {}

  static ServiceConfig read(Path file) {
    ServiceConfig defaults = ServiceConfig.defaults();
    StrictYaml yaml = StrictYaml.read(file, KEYS);
    Optional<StrictYaml> merge = yaml.mapping("merge", MERGE_KEYS);
    return new ServiceConfig(
        yaml.text("pool", defaults.pool()),
        yaml.text("bootstrap_servers", null),
        yaml.text("schema_registry", null),
        yaml.optionalPath("command_config").orElse(null),
        yaml.optionalPath("state_directory").orElse(defaults.stateDirectory()),
        yaml.whole("partitions", defaults.partitions(), 1),
        replication(yaml),
        merge
            .map(m -> m.whole("threads", defaults.mergeThreads(), 1))
            .orElse(defaults.mergeThreads()),
        merge.map(ServiceConfigReader::merge).orElse(defaults.merge()),
        merge
            .map(m -> m.whole("standby_replicas", defaults.standbys(), 0))
            .orElse(defaults.standbys()),
        yaml.mapping("gradient", GRADIENT_KEYS)
            .map(ServiceConfigReader::gradient)
            .orElse(defaults.gradient()),
        yaml.mapping("coordinator", COORDINATOR_KEYS)
            .map(ServiceConfigReader::policy)
            .orElse(defaults.policy()),
        yaml.mapping("gate", GATE_KEYS).map(ServiceConfigReader::gate),
        webhooks(yaml),
        yaml.mapping("api", API_KEYS).map(ServiceConfigReader::api),
        yaml.mapping("metrics", METRICS_KEYS).map(ServiceConfigReader::metrics));
  }

  private static Short replication(StrictYaml yaml) {
    int replication = yaml.whole("replication_factor", 0, 1);
    if (replication > Short.MAX_VALUE) {
      throw yaml.invalid(
          "replication_factor",
          String.format(Locale.ROOT, "is %d, expected at most %d", replication, Short.MAX_VALUE));
    }
    return replication == 0 ? null : (short) replication;
  }

  private static MergeOptions merge(StrictYaml yaml) {
    MergeOptions standard = MergeOptions.standard();
    return new MergeOptions(
        choice(yaml, "kernel", KernelName.values(), standard.kernel(), "auto, java or nd4j"),
        choice(
            yaml,
            "local_payloads",
            LocalPayloads.values(),
            standard.localPayloads(),
            "all or recent"));
  }

  private static <T> T choice(
      StrictYaml yaml, String key, T[] values, T standard, String expected) {
    String text = yaml.text(key, standard.toString());
    return Arrays.stream(values)
        .filter(value -> value.toString().equals(text))
        .findFirst()
        .orElseThrow(() -> yaml.invalid(key, "is '%s', expected %s".formatted(text, expected)));
  }

  private static GradientOptions gradient(StrictYaml yaml) {
    GradientOptions standard = GradientOptions.standard();
    return new GradientOptions(
        yaml.whole("claim_examples", standard.claimExamples(), 1),
        Duration.ofMillis(yaml.whole("linger_millis", standard.linger().toMillis(), 0)),
        yaml.optionalPath("torchscript_directory"),
        ComputeKeys.read(yaml).orElse(ComputeSettings.DEFAULT));
  }

  private static PlanPolicy policy(StrictYaml yaml) {
    PlanPolicy standard = PlanPolicy.standard();
    long quiet = yaml.whole("quiet_millis", standard.quiet().toMillis(), 0);
    long longest =
        yaml.whole("longest_wait_millis", Math.max(quiet, standard.longest().toMillis()), 0);
    if (longest < quiet) {
      throw yaml.invalid(
          "longest_wait_millis",
          String.format(Locale.ROOT, "is %d, expected at least quiet_millis, %d", longest, quiet));
    }
    return new PlanPolicy(
        Duration.ofMillis(quiet),
        Duration.ofMillis(longest),
        yaml.whole("keep_releases", standard.keep(), 1),
        Duration.ofHours(yaml.whole("keep_hours", 0, 0)),
        standard.await(),
        shares(yaml));
  }

  private static ShareLimits shares(StrictYaml coordinator) {
    double largest = coordinator.number("largest_share", ShareLimits.NONE.largest(), 0);
    if (largest <= ShareLimits.LOWEST || largest > 1) {
      throw coordinator.invalid(
          "largest_share", "is " + largest + ", expected a number above 0.5, at most 1");
    }
    return new ShareLimits(largest, false);
  }

  private static GateOptions gate(StrictYaml yaml) {
    List<GateOptions.Task> tasks = tasks(yaml);
    double largestDrop = yaml.number("largest_drop", GateOptions.LARGEST_DROP, 0);
    if (largestDrop > 1) {
      throw yaml.invalid("largest_drop", "is " + largestDrop + ", expected at most 1");
    }
    String alias = yaml.text("alias");
    try {
      new AliasName(alias);
    } catch (InvalidInput e) {
      throw yaml.invalid("alias", e.getMessage());
    }
    return new GateOptions(
        alias,
        largestDrop,
        yaml.whole("batch_size", ManifestRules.DEFAULT_BATCH_SIZE, 1),
        yaml.flag("leave_out_suspects", false),
        tasks,
        ComputeKeys.read(yaml).orElse(ComputeSettings.DEFAULT));
  }

  private static List<GateOptions.Task> tasks(StrictYaml gate) {
    Set<String> names = new HashSet<>();
    List<GateOptions.Task> tasks = new ArrayList<>();
    for (StrictYaml task : gate.mappings("tasks", TASK_KEYS)) {
      String name = task.text("name");
      requireNew(names, name, task);
      tasks.add(
          new GateOptions.Task(
              name,
              task.path("model"),
              task.path("examples"),
              task.optionalPath("head"),
              task.optionalPath("torchscript"),
              task.optionalWhole("max_length", 1)));
    }
    if (tasks.isEmpty()) {
      throw gate.invalid("tasks", "expected at least one task");
    }
    return tasks;
  }

  private static void requireNew(Set<String> names, String name, StrictYaml yaml) {
    if (!names.add(name)) {
      throw yaml.invalid("name", "duplicate name '" + name + "'");
    }
  }

  private static List<Webhook> webhooks(StrictYaml yaml) {
    Set<String> names = new HashSet<>();
    List<Webhook> webhooks = new ArrayList<>();
    for (StrictYaml hook : yaml.mappings("webhooks", WEBHOOK_KEYS)) {
      Webhook webhook = webhook(hook);
      requireNew(names, webhook.name(), hook);
      webhooks.add(webhook);
    }
    return webhooks;
  }

  private static Webhook webhook(StrictYaml yaml) {
    String name = yaml.text("name");
    if (!name.matches("[A-Za-z0-9._-]{1,50}")) {
      throw yaml.invalid("name", "is '" + name + "', expected 1 to 50 letters, digits and . _ -");
    }
    if (yaml.has("secret_env") == yaml.has("secret_file")) {
      throw yaml.invalid("secret_env", "expected one of secret_env and secret_file");
    }
    long firstWait = yaml.whole("first_wait_millis", Webhook.FIRST_WAIT.toMillis(), 1);
    long maxWait =
        yaml.whole(
            "longest_wait_millis", Math.max(firstWait, Webhook.MAX_WAIT.toMillis()), firstWait);
    return new Webhook(
        name,
        url(yaml),
        Optional.ofNullable(yaml.text("secret_env", null)),
        yaml.optionalPath("secret_file"),
        Duration.ofMillis(yaml.whole("timeout_millis", Webhook.TIMEOUT.toMillis(), 1)),
        Duration.ofMillis(firstWait),
        Duration.ofMillis(maxWait));
  }

  private static MonitorOptions metrics(StrictYaml yaml) {
    if (!yaml.has("port")) {
      throw yaml.invalid("port", "the key is missing");
    }
    return new MonitorOptions(yaml.text("listen", MonitorOptions.LISTEN), port(yaml, 0));
  }

  private static int port(StrictYaml yaml, int otherwise) {
    int port = yaml.whole("port", otherwise, 0);
    if (port > MAX_PORT) {
      throw yaml.invalid(
          "port", String.format(Locale.ROOT, "is %d, expected at most %d", port, MAX_PORT));
    }
    return port;
  }

  private static ApiOptions api(StrictYaml yaml) {
    ApiOptions standard = ApiOptions.standard();
    return new ApiOptions(
        yaml.text("listen", standard.listen()),
        port(yaml, standard.port()),
        yaml.optionalPath("token_file"),
        yaml.texts("hosts"),
        yaml.texts("origins"),
        yaml.whole("requests_per_second", standard.requestsPerSecond(), 1),
        yaml.whole("downloads", standard.downloads(), 1),
        yaml.whole("streams", standard.streams(), 1));
  }

  private static URI url(StrictYaml hook) {
    try {
      URI url = new URI(hook.text("url"));
      boolean isHttp = "http".equals(url.getScheme()) || "https".equals(url.getScheme());
      if (isHttp && url.getHost() != null && url.getUserInfo() == null) {
        Secrets.hideAddress(url);
        return url;
      }
    } catch (URISyntaxException e) {
      // rejected below like another scheme
    }
    throw hook.invalid("url", "expected http://HOST/... or https://HOST/..., without a user");
  }
}
