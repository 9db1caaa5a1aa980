package io.fisherstreams.faults;

import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.estimation.GradientStage;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/** A gradient instance in this process, of small claims. */
final class GradientThread implements Instance {
  private static final GradientOptions OPTIONS =
      new GradientOptions(24, Duration.ofMillis(200), Optional.empty());

  private final FaultedPool pool;
  private final Path directory;
  private GradientStage stage;

  /** An instance that is not started. */
  GradientThread(FaultedPool pool, String name) {
    this.pool = pool;
    this.directory = pool.directory().resolve(name);
  }

  /** Starts it with a registry client that has read nothing yet. */
  @Override
  public void start() {
    SchemaRegistry registry = SchemaRegistry.connect(pool.registryUrl(), Map.of());
    PoolTopics topics = new PoolTopics(pool.topics().pool(), registry);
    stage = GradientStage.create(pool.kafka(), topics, OPTIONS, directory);
    stage.start();
  }

  @Override
  public void stop() {
    if (stage != null) {
      stage.close();
      stage = null;
    }
  }

  @Override
  public String log() {
    return stage == null ? "stopped" : "ended: " + stage.ended();
  }

  @Override
  public void close() {
    stop();
  }
}
