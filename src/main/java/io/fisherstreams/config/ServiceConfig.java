package io.fisherstreams.config;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.api.ApiOptions;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.gate.GateOptions;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.merge.MergeOptions;
import io.fisherstreams.monitor.MonitorOptions;
import io.fisherstreams.webhook.Webhook;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * The configuration of the services, one YAML; {@code docs/configuration.md} says what each key
 * means.
 *
 * @param pool the pool's name, prefix of its topics
 * @param bootstrapServers Kafka's brokers, or null
 * @param schemaRegistry URL, or null
 * @param commandConfig Kafka client settings, or null
 * @param stateDirectory this instance's own folder
 * @param partitions of the sharded topics when they are created
 * @param replication replication factor of topics and changelogs; null for the brokers' default
 * @param mergeThreads stream threads of the merge stage
 * @param merge how the merge stage works
 * @param standbys standby replicas of the stages' stores
 * @param gradient how the gradient stage works
 * @param policy when a change of the pool becomes a plan
 * @param gate how releases are judged; empty when they are not
 * @param webhooks receivers of release events
 * @param api how the pool is shown over HTTP; empty when only {@code serve} shows it
 * @param metrics where health and metrics are shown; empty when they are not
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
    MergeOptions merge,
    int standbys,
    GradientOptions gradient,
    PlanPolicy policy,
    Optional<GateOptions> gate,
    List<Webhook> webhooks,
    Optional<ApiOptions> api,
    Optional<MonitorOptions> metrics) {
  /** Defaults when there is no file. */
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
        MergeOptions.standard(),
        0,
        GradientOptions.standard(),
        PlanPolicy.standard(),
        Optional.empty(),
        List.of(),
        Optional.empty(),
        Optional.empty());
  }

  /** The same with an API. */
  public ServiceConfig withApi(ApiOptions options) {
    return new ServiceConfig(
        pool,
        bootstrapServers,
        schemaRegistry,
        commandConfig,
        stateDirectory,
        partitions,
        replication,
        mergeThreads,
        merge,
        standbys,
        gradient,
        policy,
        gate,
        webhooks,
        Optional.of(options),
        metrics);
  }

  /** The same with gradient stage and gate on other devices. */
  public ServiceConfig on(UnaryOperator<ComputeSettings> change) {
    return new ServiceConfig(
        pool,
        bootstrapServers,
        schemaRegistry,
        commandConfig,
        stateDirectory,
        partitions,
        replication,
        mergeThreads,
        merge,
        standbys,
        gradient.on(change.apply(gradient.compute())),
        policy,
        gate.map(options -> options.on(change.apply(options.compute()))),
        webhooks,
        api,
        metrics);
  }

  /** The same configuration with another policy. */
  public ServiceConfig with(PlanPolicy other) {
    return new ServiceConfig(
        pool,
        bootstrapServers,
        schemaRegistry,
        commandConfig,
        stateDirectory,
        partitions,
        replication,
        mergeThreads,
        merge,
        standbys,
        gradient,
        other,
        gate,
        webhooks,
        api,
        metrics);
  }

  /**
   * Reads and checks a file.
   *
   * @throws InvalidInput naming file, line and key, when the file is not as described
   */
  public static ServiceConfig read(Path file) {
    return ServiceConfigReader.read(file);
  }
}
