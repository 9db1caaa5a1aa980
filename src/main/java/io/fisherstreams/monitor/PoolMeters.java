package io.fisherstreams.monitor;

import io.fisherstreams.coordinator.ModelState;
import io.fisherstreams.coordinator.PoolFollower;
import io.fisherstreams.coordinator.PoolModel;
import io.fisherstreams.coordinator.PoolReading;
import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.TaskAccuracy;
import io.fisherstreams.view.PoolTraffic;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.MultiGauge;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.function.Supplier;
import org.apache.kafka.common.KafkaException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Gauges of a whole pool, worked out when somebody asks for them. */
public final class PoolMeters {
  private static final Logger LOG = LoggerFactory.getLogger(PoolMeters.class);
  private static final double MILLIS = Duration.ofSeconds(1).toMillis();

  private final PoolFollower pool;
  private final Supplier<PoolTraffic> traffic;
  private final Map<Meter, MultiGauge> gauges = new EnumMap<>(Meter.class);

  /**
   * Meters of a pool that is followed.
   *
   * @param traffic a look at the stages that is not old
   */
  public PoolMeters(PoolFollower pool, Supplier<PoolTraffic> traffic) {
    this.pool = pool;
    this.traffic = traffic;
  }

  void bindTo(MeterRegistry registry) {
    for (Meter meter : Meter.values()) {
      if (meter.id().startsWith("fisherstreams.pool.")) {
        gauges.put(
            meter,
            MultiGauge.builder(meter.id())
                .description(meter.description())
                .baseUnit(meter.unit())
                .register(registry));
      }
    }
  }

  synchronized void update() {
    if (!pool.ready().isDone()) {
      return;
    }
    Map<Meter, Map<List<String>, Double>> values = new EnumMap<>(Meter.class);
    gauges.keySet().forEach(meter -> values.put(meter, new LinkedHashMap<>()));
    pool.read(
        reading -> {
          models(reading, values);
          releases(reading, values);
          deadLetters(reading, values.get(Meter.DEAD_LETTERS));
          reading
              .aliases()
              .forEach(
                  (name, alias) ->
                      values
                          .get(Meter.ALIAS_RELEASE)
                          .put(List.of(name), (double) alias.getRelease()));
          return true;
        });
    try {
      for (PoolTraffic.StageTraffic stage : traffic.get().stages()) {
        stage
            .lag()
            .ifPresent(
                lag -> values.get(Meter.STAGE_LAG).put(List.of(stage.stage()), (double) lag));
        stage
            .instances()
            .ifPresent(
                running ->
                    values
                        .get(Meter.STAGE_INSTANCES)
                        .put(List.of(stage.stage()), (double) running.size()));
      }
    } catch (KafkaException e) {
      LOG.debug("no look at the stages", e);
    }
    values.forEach(
        (meter, rows) ->
            gauges
                .get(meter)
                .register(
                    rows.entrySet().stream()
                        .<MultiGauge.Row<?>>map(
                            row -> MultiGauge.Row.of(meter.tagged(row.getKey()), row.getValue()))
                        .toList(),
                    true));
  }

  private static void deadLetters(PoolReading reading, Map<List<String>, Double> counts) {
    for (Stage stage : Stage.values()) {
      counts.put(List.of(stage.text(), RejectionKind.OTHER.text()), 0.0);
    }
    for (DeadLetter letter : reading.deadLetters()) {
      counts.merge(List.of(known(letter.stage()), letter.kind().text()), 1.0, Double::sum);
    }
  }

  /** Anybody may write a dead letter's headers, and each text would be a series. */
  private static String known(String stage) {
    for (Stage known : Stage.values()) {
      if (known.text().equals(stage)) {
        return stage;
      }
    }
    return "unknown";
  }

  private static void models(PoolReading reading, Map<Meter, Map<List<String>, Double>> values) {
    Map<List<String>, Double> states = values.get(Meter.MODELS);
    for (ModelState state : ModelState.values()) {
      states.put(List.of(state.name()), 0.0);
    }
    Instant now = Instant.now();
    double oldest = 0;
    double wanted = 0;
    double counted = 0;
    for (Map.Entry<String, NavigableMap<Long, PoolModel>> versions :
        reading.status().view().models().entrySet()) {
      for (PoolModel model : versions.getValue().values()) {
        ModelManifest manifest = model.manifest();
        ModelState state = reading.status().stateOf(versions.getKey(), model);
        states.merge(List.of(state.name()), 1.0, Double::sum);
        ModelVersion version = new ModelVersion(versions.getKey(), manifest.getVersion());
        if (state != ModelState.READY) {
          oldest = Math.max(oldest, seconds(reading.announced().getOrDefault(version, now), now));
        }
        boolean isEstimated = manifest.getEstimation() != null;
        if (isEstimated && model.epoch().isEmpty()) {
          wanted += manifest.getExamples();
          counted += reading.counted().getOrDefault(version, 0L);
        }
      }
    }
    values.get(Meter.WAITING_AGE).put(List.of(), oldest);
    values.get(Meter.EXAMPLES_WANTED).put(List.of(), wanted);
    values.get(Meter.EXAMPLES_COUNTED).put(List.of(), counted);
  }

  private static void releases(PoolReading reading, Map<Meter, Map<List<String>, Double>> values) {
    Map<List<String>, Double> statuses = values.get(Meter.RELEASES);
    for (ReleaseStatus status : ReleaseStatus.values()) {
      statuses.put(List.of(status.name()), 0.0);
    }
    List<Release> releases = reading.status().releases();
    for (Release release : releases) {
      statuses.merge(List.of(release.getStatus().name()), 1.0, Double::sum);
      if (release.getVerdict() != null) { // the newest one is the last
        values.get(Meter.GATE_ACCURACY).clear();
        for (TaskAccuracy task : release.getVerdict().getTasks()) {
          values.get(Meter.GATE_ACCURACY).put(List.of(task.getTask()), task.getAccuracy());
        }
      }
    }
    reading.newestRelease().ifPresent(newest -> newest(reading, newest, values));
  }

  private static void newest(
      PoolReading reading, Release newest, Map<Meter, Map<List<String>, Double>> values) {
    values.get(Meter.RELEASE_AGE).put(List.of(), seconds(newest.getAt(), Instant.now()));
    values
        .get(Meter.PLAN_DURATION)
        .put(List.of(), seconds(newest.getPlan().getCreatedAt(), newest.getAt()));
    newest.getPlan().getModels().stream()
        .map(model -> new ModelVersion(model.getModel(), model.getVersion()))
        .map(reading.announced()::get)
        .filter(announced -> announced != null && announced.isBefore(newest.getAt()))
        .max(Instant::compareTo)
        .ifPresent(
            announced ->
                values
                    .get(Meter.ARRIVAL_DURATION)
                    .put(List.of(), seconds(announced, newest.getAt())));
    newest.getPlan().getModels().stream()
        .mapToDouble(PlannedModel::getShare)
        .max()
        .ifPresent(share -> values.get(Meter.LARGEST_SHARE).put(List.of(), share));
    if (MergeMethods.formula(newest.getPlan().getMethod()).readsFishers()) {
      values.get(Meter.EPSILON_SHARE).put(List.of(), PlannedModels.epsilonShare(newest.getPlan()));
    }
  }

  private static double seconds(Instant from, Instant to) {
    return Duration.between(from, to).toMillis() / MILLIS;
  }
}
