package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.api.ApiOptions;
import io.fisherstreams.api.ApiStage;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.coordinator.CoordinatorStage;
import io.fisherstreams.estimation.GradientStage;
import io.fisherstreams.gate.GateStage;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.kafka.StreamsOptions;
import io.fisherstreams.local.NativeLibraries;
import io.fisherstreams.merge.MergeStage;
import io.fisherstreams.monitor.Monitor;
import io.fisherstreams.monitor.MonitorServer;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.fisherstreams.webhook.Webhook;
import io.fisherstreams.webhook.WebhookStage;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/** Stages in this process, as a configuration describes them. It owns them. */
final class RunningStages implements AutoCloseable {
  private final List<StageInstance> instances = new ArrayList<>();
  private final Optional<Monitor> monitor;
  private Optional<MonitorServer> monitorServer = Optional.empty();

  /**
   * Creates stages and starts none.
   *
   * @param directory of their state; each stage has a folder in it
   */
  RunningStages(
      Collection<Stage> stages,
      ServiceConfig config,
      KafkaSettings kafka,
      PoolTopics topics,
      Path directory) {
    if (stages.contains(Stage.MERGE) || stages.contains(Stage.COORDINATOR)) {
      NativeLibraries.load(directory.resolve("native"), "name another state directory");
    }
    monitor =
        config.metrics().isPresent() || stages.contains(Stage.API)
            ? Optional.of(new Monitor(topics.pool(), directory))
            : Optional.empty();
    try {
      for (Stage stage : stages) {
        StageInstance instance =
            create(stage, config, kafka, topics, directory.resolve(stage.text()));
        instances.add(instance);
        monitor.ifPresent(shown -> shown.add(stage, instance));
      }
      monitorServer =
          config.metrics().map(options -> new MonitorServer(options, monitor.orElseThrow()));
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  /** Every stage that a configuration asks for: gate, webhooks and API only when it has them. */
  static Set<Stage> configured(ServiceConfig config) {
    Set<Stage> stages = EnumSet.allOf(Stage.class);
    if (config.gate().isEmpty()) {
      stages.remove(Stage.GATE);
    }
    if (config.webhooks().isEmpty()) {
      stages.remove(Stage.WEBHOOKS);
    }
    if (config.api().isEmpty()) {
      stages.remove(Stage.API);
    }
    return stages;
  }

  /**
   * A configuration whose coordinator, when asked to be strict, warns of no model but leaves it
   * out.
   */
  static ServiceConfig strict(ServiceConfig config, boolean isStrict) {
    return isStrict ? config.with(config.policy().with(config.policy().shares().strict())) : config;
  }

  private StageInstance create(
      Stage stage, ServiceConfig config, KafkaSettings kafka, PoolTopics topics, Path own) {
    StreamsOptions options =
        new StreamsOptions(
            own,
            stage == Stage.MERGE ? config.mergeThreads() : 1,
            config.standbys(),
            config.replication() == null ? -1 : config.replication());
    return switch (stage) {
      case GRADIENT -> GradientStage.create(kafka, topics, config.gradient(), own);
      case MERGE -> MergeStage.create(kafka, topics, options, config.merge());
      case COORDINATOR -> CoordinatorStage.create(kafka, topics, options, config.policy());
      case GATE ->
          GateStage.create(
              kafka,
              topics,
              config.gate().orElseThrow(() -> new InvalidInput("the configuration has no gate")),
              own);
      case WEBHOOKS -> WebhookStage.create(kafka, topics, config.webhooks());
      case API ->
          ApiStage.create(
              kafka,
              topics,
              config.api().orElse(ApiOptions.standard()),
              groups(config, topics),
              own,
              monitor.orElseThrow());
    };
  }

  /** The consumer groups of the stages that not every pool has, by stage. */
  static Map<String, String> groups(ServiceConfig config, PoolTopics topics) {
    Map<String, String> groups = new LinkedHashMap<>();
    config.gate().ifPresent(gate -> groups.put(Stage.GATE.text(), Stage.GATE.group(topics.pool())));
    for (Webhook hook : config.webhooks()) {
      groups.put(Stage.webhook(hook.name()), Stage.webhookGroup(topics.pool(), hook.name()));
    }
    return groups;
  }

  /** Where the API listens, if it is one of the stages. */
  Optional<URI> api() {
    return instances.stream()
        .filter(ApiStage.class::isInstance)
        .map(stage -> ((ApiStage) stage).url())
        .findFirst();
  }

  /** The port of health and metrics, if they have one of their own. */
  Optional<Integer> monitorPort() {
    return monitorServer.map(MonitorServer::port);
  }

  /** What counts and shows, if anything does. */
  Optional<Monitor> monitor() {
    return monitor;
  }

  /**
   * Starts all.
   *
   * @return whether all had their work before the time was over, or one ended
   */
  boolean start(Duration within) {
    instances.forEach(StageInstance::start);
    CompletableFuture<Void> ready =
        CompletableFuture.allOf(
            instances.stream().map(StageInstance::ready).toArray(CompletableFuture[]::new));
    try {
      CompletableFuture.anyOf(
              Stream.concat(ended(), Stream.of(ready)).toArray(CompletableFuture[]::new))
          .get(within.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      return false;
    } catch (ExecutionException e) {
      throw new IllegalStateException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
    return ready.isDone();
  }

  private Stream<CompletableFuture<?>> ended() {
    return instances.stream().map(StageInstance::ended);
  }

  /**
   * Waits until one of them ends, or {@code other} does.
   *
   * @throws IllegalStateException with the cause, when it ended with one
   */
  void awaitEnd(CompletableFuture<?> other) {
    CompletableFuture.anyOf(
            Stream.concat(ended(), Stream.of(other)).toArray(CompletableFuture[]::new))
        .join();
  }

  /** Whether one of them has ended. */
  boolean isEnded() {
    return ended().anyMatch(CompletableFuture::isDone);
  }

  /** Throws the cause of the first one that ended with a cause. */
  void requireNoFailure() {
    for (StageInstance instance : instances) {
      Optional<Throwable> cause = instance.ended().getNow(Optional.empty());
      if (cause.isPresent()) {
        throw new IllegalStateException(cause.get().getMessage(), cause.get());
      }
    }
  }

  /**
   * Ends all, at the same time: without brokers each waits until its clients give up. A second call
   * does nothing.
   */
  @Override
  public void close() {
    monitorServer.ifPresent(MonitorServer::close);
    monitor.ifPresent(Monitor::close); // before the stages, whose clients it reads
    List<Thread> closing = new ArrayList<>();
    for (StageInstance instance : instances) {
      Thread thread = new Thread(instance::close, "close-stage");
      closing.add(thread);
      thread.start();
    }
    for (Thread thread : closing) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }
}
