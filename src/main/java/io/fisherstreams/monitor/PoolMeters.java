package io.fisherstreams.monitor;

import io.fisherstreams.coordinator.EpsilonShare;
import io.fisherstreams.coordinator.ModelState;
import io.fisherstreams.coordinator.PoolFollower;
import io.fisherstreams.coordinator.PoolModel;
import io.fisherstreams.coordinator.PoolReading;
import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.TaskAccuracy;
import io.fisherstreams.view.PoolTraffic;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.MultiGauge;
import io.micrometer.core.instrument.Tags;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
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
    Map<Meter, Map<String, Double>> values = new EnumMap<>(Meter.class);
    gauges.keySet().forEach(meter -> values.put(meter, new LinkedHashMap<>()));
    pool.read(
        reading -> {
          models(reading, values);
          releases(reading, values);
          for (Stage stage : Stage.values()) {
            values.get(Meter.DEAD_LETTERS).put(stage.text(), 0.0);
          }
          for (DeadLetter letter : reading.deadLetters()) {
            values.get(Meter.DEAD_LETTERS).merge(known(letter.stage()), 1.0, Double::sum);
          }
          return true;
        });
    try {
      for (PoolTraffic.StageTraffic stage : traffic.get().stages()) {
        stage.lag().ifPresent(lag -> values.get(Meter.STAGE_LAG).put(stage.stage(), (double) lag));
        stage
            .instances()
            .ifPresent(
                running ->
                    values.get(Meter.STAGE_INSTANCES).put(stage.stage(), (double) running.size()));
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
                            row ->
                                MultiGauge.Row.of(
                                    meter.tags().isEmpty()
                                        ? Tags.empty()
                                        : Tags.of(meter.tags().get(0), row.getKey()),
                                    row.getValue()))
                        .toList(),
                    true));
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

  private static void models(PoolReading reading, Map<Meter, Map<String, Double>> values) {
    Map<String, Double> states = values.get(Meter.MODELS);
    for (ModelState state : ModelState.values()) {
      states.put(state.name(), 0.0);
    }
    double wanted = 0;
    double counted = 0;
    for (Map.Entry<String, NavigableMap<Long, PoolModel>> versions :
        reading.status().view().models().entrySet()) {
      for (PoolModel model : versions.getValue().values()) {
        ModelManifest manifest = model.manifest();
        ModelState state = reading.status().stateOf(versions.getKey(), model);
        states.merge(state.name(), 1.0, Double::sum);
        boolean isEstimated = manifest.getEstimation() != null;
        if (isEstimated && model.epoch().isEmpty()) {
          wanted += manifest.getExamples();
          counted +=
              reading
                  .counted()
                  .getOrDefault(new ModelVersion(versions.getKey(), manifest.getVersion()), 0L);
        }
      }
    }
    values.get(Meter.EXAMPLES_WANTED).put("", wanted);
    values.get(Meter.EXAMPLES_COUNTED).put("", counted);
  }

  private static void releases(PoolReading reading, Map<Meter, Map<String, Double>> values) {
    Map<String, Double> statuses = new TreeMap<>();
    for (ReleaseStatus status : ReleaseStatus.values()) {
      statuses.put(status.name(), 0.0);
    }
    List<Release> releases = reading.status().releases();
    for (Release release : releases) {
      statuses.merge(release.getStatus().name(), 1.0, Double::sum);
      if (release.getVerdict() != null) { // the newest one is the last
        values.get(Meter.GATE_ACCURACY).clear();
        for (TaskAccuracy task : release.getVerdict().getTasks()) {
          values.get(Meter.GATE_ACCURACY).put(task.getTask(), task.getAccuracy());
        }
      }
    }
    values.get(Meter.RELEASES).putAll(statuses);
    reading.newestRelease().ifPresent(newest -> newest(reading, newest, values));
  }

  private static void newest(
      PoolReading reading, Release newest, Map<Meter, Map<String, Double>> values) {
    values.get(Meter.RELEASE_AGE).put("", seconds(newest.getAt(), Instant.now()));
    values
        .get(Meter.PLAN_DURATION)
        .put("", seconds(newest.getPlan().getCreatedAt(), newest.getAt()));
    newest.getPlan().getModels().stream()
        .map(model -> new ModelVersion(model.getModel(), model.getVersion()))
        .map(reading.announced()::get)
        .filter(announced -> announced != null && announced.isBefore(newest.getAt()))
        .max(Instant::compareTo)
        .ifPresent(
            announced ->
                values.get(Meter.ARRIVAL_DURATION).put("", seconds(announced, newest.getAt())));
    newest.getPlan().getModels().stream()
        .mapToDouble(PlannedModel::getShare)
        .max()
        .ifPresent(share -> values.get(Meter.LARGEST_SHARE).put("", share));
    EpsilonShare.of(reading.status().view(), newest.getPlan())
        .ifPresent(share -> values.get(Meter.EPSILON_SHARE).put("", share));
  }

  private static double seconds(Instant from, Instant to) {
    return Duration.between(from, to).toMillis() / MILLIS;
  }
}
