package io.fisherstreams.monitor;

import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.Build;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.kafka.StageRunner;
import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.Stage;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Metrics;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.kafka.KafkaStreamsMetrics;
import io.micrometer.core.instrument.binder.system.DiskSpaceMetrics;
import io.micrometer.core.instrument.binder.system.FileDescriptorMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.core.instrument.binder.system.UptimeMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Health and metrics of the stages in this process, for probes and for Prometheus. Thread-safe. */
public final class Monitor implements AutoCloseable {
  /** Answers 200 while no stage has ended, also while it restores or rebalances. */
  public static final String LIVE = "/health/live";

  /** Answers 200 while every stage has its work. */
  public static final String READY = "/health/ready";

  /** Prometheus' text format. */
  public static final String METRICS = "/metrics";

  /**
   * What is sent.
   *
   * @param status of HTTP
   * @param type of the body
   * @param body text
   */
  public record Answer(int status, String type, String body) {
    /** The body in UTF-8. */
    public byte[] bytes() {
      return body.getBytes(StandardCharsets.UTF_8);
    }
  }

  private static final Logger LOG = LoggerFactory.getLogger(Monitor.class);
  private static final String TEXT = "text/plain; charset=utf-8";
  private static final long KIB = 1024;

  private final PrometheusMeterRegistry registry;
  private final Map<String, StageInstance> stages = new ConcurrentSkipListMap<>();
  private final List<Runnable> updates = new CopyOnWriteArrayList<>();
  private final Deque<AutoCloseable> resources = new ArrayDeque<>();

  /**
   * A monitor without stages. Everything that this process counts from now on is in it.
   *
   * @param pool tag of every meter
   * @param directory of the stages' state, whose disk is watched
   */
  public Monitor(String pool, Path directory) {
    registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    registry.config().commonTags("pool", pool);
    Metrics.addRegistry(registry);
    new JvmMemoryMetrics().bindTo(registry);
    JvmGcMetrics gc = new JvmGcMetrics();
    gc.bindTo(registry);
    resources.push(gc);
    new JvmThreadMetrics().bindTo(registry);
    new ProcessorMetrics().bindTo(registry);
    new FileDescriptorMetrics().bindTo(registry);
    new UptimeMetrics().bindTo(registry);
    new DiskSpaceMetrics(directory.toFile()).bindTo(registry);
    Build build = Build.current();
    Gauge.builder(Meter.BUILD.id(), () -> 1)
        .description(Meter.BUILD.description())
        .tags("version", build.version(), "commit", build.commit())
        .register(registry);
    Gauge.builder(Meter.RESIDENT_MEMORY.id(), Monitor::residentBytes)
        .description(Meter.RESIDENT_MEMORY.description())
        .baseUnit(Meter.RESIDENT_MEMORY.unit())
        .register(registry);
  }

  /** Adds a stage of this process, with Kafka Streams' own metrics. */
  public synchronized void add(Stage stage, StageInstance instance) {
    stages.put(stage.text(), instance);
    Gauge.builder(Meter.STAGE_READY.id(), () -> isReady(instance) ? 1 : 0)
        .description(Meter.STAGE_READY.description())
        .tag("stage", stage.text())
        .register(registry);
    if (instance instanceof StageRunner runner) {
      KafkaStreamsMetrics streams = new KafkaStreamsMetrics(runner.streams());
      streams.bindTo(registry);
      resources.push(streams);
    }
  }

  /** Adds a server on which the stages depend. */
  public void addServer(String name, BooleanSupplier answers) {
    Gauge.builder(Meter.SERVER_ANSWERS.id(), () -> answers.getAsBoolean() ? 1 : 0)
        .description(Meter.SERVER_ANSWERS.description())
        .tag("server", name)
        .register(registry);
  }

  /** Adds meters of the whole pool. */
  public void add(PoolMeters meters) {
    meters.bindTo(registry);
    updates.add(meters::update);
  }

  /** What a path answers; empty for another path. */
  public Optional<Answer> answer(String path) {
    return switch (path) {
      case LIVE -> Optional.of(health(true));
      case READY -> Optional.of(health(false));
      case METRICS ->
          Optional.of(new Answer(200, "text/plain; version=0.0.4; charset=utf-8", scrape()));
      default -> Optional.empty();
    };
  }

  /** Writes the fields of this process: its stages, memory, disk, files and clients. */
  public void write(JsonGenerator json) throws IOException {
    ProcessView view = new ProcessView(registry);
    json.writeStringField("build", Build.current().text());
    json.writeArrayFieldStart("stages");
    for (Map.Entry<String, StageInstance> stage : stages.entrySet()) {
      json.writeStartObject();
      json.writeStringField("stage", stage.getKey());
      json.writeBooleanField("ready", isReady(stage.getValue()));
      json.writeBooleanField("ended", stage.getValue().ended().isDone());
      view.writeStage(json, stage.getKey());
      json.writeEndObject();
    }
    json.writeEndArray();
    view.write(json);
  }

  private String scrape() {
    for (Runnable update : updates) {
      try {
        update.run();
      } catch (RuntimeException e) {
        LOG.warn("the pool's meters keep their values: {}", e.getMessage());
      }
    }
    return registry.scrape();
  }

  private Answer health(boolean isAliveEnough) {
    StringBuilder text = new StringBuilder();
    boolean isWell = true;
    for (Map.Entry<String, StageInstance> stage : stages.entrySet()) {
      boolean hasEnded = stage.getValue().ended().isDone();
      boolean isReady = isReady(stage.getValue());
      isWell &= isAliveEnough ? !hasEnded : isReady;
      text.append(stage.getKey())
          .append(
              hasEnded ? " has ended\n" : isReady ? " has its work\n" : " waits for its work\n");
    }
    return new Answer(isWell ? 200 : 503, TEXT, text.toString());
  }

  private static boolean isReady(StageInstance instance) {
    return instance.ready().isDone() && !instance.ended().isDone();
  }

  /** Linux's VmRSS; not a number elsewhere. */
  private static double residentBytes() {
    try (var lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToDouble(line -> Double.parseDouble(line.replaceAll("[^0-9]", "")) * KIB)
          .findFirst()
          .orElse(Double.NaN);
    } catch (IOException e) {
      return Double.NaN;
    }
  }

  @Override
  public synchronized void close() {
    Metrics.removeRegistry(registry);
    while (!resources.isEmpty()) {
      try {
        resources.pop().close();
      } catch (Exception e) {
        LOG.debug("a meter is not closed", e);
      }
    }
    registry.close();
  }
}
