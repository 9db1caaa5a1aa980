package io.fisherstreams.api;

import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.coordinator.PoolFollower;
import io.fisherstreams.coordinator.PoolModel;
import io.fisherstreams.coordinator.PoolReading;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseJson;
import io.fisherstreams.view.DeadLetterJson;
import io.fisherstreams.view.MaskedJson;
import io.fisherstreams.view.PoolJson;
import io.fisherstreams.view.PoolSummary;
import io.fisherstreams.view.PoolTraffic;
import io.fisherstreams.webhook.ReleaseEvent;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.KafkaException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What changes while somebody looks: makes the events of a pool and looks at its traffic. Nobody
 * who looks costs nothing.
 */
final class LivePage implements PoolFollower.Listener, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(LivePage.class);
  private static final Duration LOOK_EVERY = RecentTraffic.FRESH;
  private static final int AT_LEAST_EVERY_LOOKS = 7;
  private static final Duration ANSWER_WITHIN = Duration.ofSeconds(10);

  private final PoolTopics topics;
  private final RecentTraffic recent;
  private final EventStreams streams;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(task -> ApiServer.daemon(task, "api-page"));
  private PoolFollower follower;
  private String lastSent = "";
  private int looksSinceSent;

  /**
   * Looks at a pool.
   *
   * @param groups consumer groups of gate and webhooks, by stage
   */
  LivePage(KafkaSettings kafka, PoolTopics topics, Map<String, String> groups, int streams) {
    this.topics = topics;
    this.recent = new RecentTraffic(kafka, topics, groups, () -> follower.partitions());
    this.streams = new EventStreams(streams);
  }

  /** Begins to look, at a pool that the follower follows. */
  @SuppressWarnings("FutureReturnValueIgnored") // a failed look is logged
  void start(PoolFollower followed) {
    follower = followed;
    timer.scheduleWithFixedDelay(
        this::look, LOOK_EVERY.toMillis(), LOOK_EVERY.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** Writes the fields of the pool, at most two seconds old. */
  void writePool(JsonGenerator json) throws IOException {
    PoolTraffic now = traffic(ANSWER_WITHIN);
    PoolSummary summary = follower.read(reading -> PoolSummary.of(topics, reading, now));
    PoolJson.pool(json, summary);
  }

  /** A look at stages and topics that is at most two seconds old. */
  PoolTraffic traffic(Duration within) {
    return recent.get(within);
  }

  /** Sends events until the client is gone. */
  void serve(Request request) throws IOException {
    streams.serve(request, () -> poolChanged(MaskedJson.object(this::writePool)));
  }

  private Event poolChanged(byte[] summary) {
    return Event.of(
        "pool.changed",
        topics.pool(),
        json -> {
          json.writeFieldName("summary");
          json.writeRawValue(new String(summary, StandardCharsets.UTF_8));
        });
  }

  private void look() {
    if (streams.count() == 0 || !follower.ready().isDone()) {
      return;
    }
    try {
      byte[] summary = MaskedJson.object(this::writePool);
      String text = new String(summary, StandardCharsets.UTF_8);
      if (!text.equals(lastSent) || ++looksSinceSent >= AT_LEAST_EVERY_LOOKS) {
        streams.send(poolChanged(summary));
        lastSent = text;
        looksSinceSent = 0;
      }
    } catch (KafkaException e) {
      LOG.debug("no look at the pool's traffic", e);
    } catch (RuntimeException e) {
      LOG.warn("the pool's traffic cannot be shown: {}", e.getMessage(), e);
    }
  }

  @Override
  public void changed(List<ModelVersion> versions) {
    if (streams.count() == 0) {
      return;
    }
    // One reading for all: a release changes each of its models.
    List<Event> events =
        follower.read(
            reading ->
                versions.stream()
                    .flatMap(
                        version ->
                            find(reading.status().view().models(), version).stream()
                                .map(model -> changed(reading, version.model(), model)))
                    .toList());
    events.forEach(streams::send);
  }

  private Event changed(PoolReading reading, String name, PoolModel model) {
    return Event.of(
        "model.changed",
        topics.pool(),
        json ->
            Event.object(json, "model", fields -> PoolJson.model(fields, reading, name, model)));
  }

  private static Optional<PoolModel> find(
      Map<String, NavigableMap<Long, PoolModel>> models, ModelVersion version) {
    return Optional.ofNullable(models.get(version.model()))
        .map(versions -> versions.get(version.version()));
  }

  @Override
  public void withdrawn(String model) {
    send("model.withdrawn", json -> json.writeStringField("name", model));
  }

  @Override
  public void recorded(ConsumerRecord<byte[], byte[]> record) {
    if (streams.count() == 0) {
      return;
    }
    for (ReleaseEvent event : ReleaseEvent.of(topics, record)) {
      streams.send(Event.of(event.type(), event.id().toString(), event.body()));
    }
    if (record.topic().equals(topics.releases().name())) {
      TopicReader.value(topics.releases(), record)
          .filter(release -> release.getStatus() == ReleaseStatus.ABANDONED)
          .ifPresent(this::abandoned);
    }
  }

  private void abandoned(Release release) {
    send(
        "release.abandoned",
        json -> Event.object(json, "release", fields -> ReleaseJson.write(fields, release)));
  }

  @Override
  public void rejected(DeadLetter letter) {
    send(
        "dead_letter.added",
        json -> Event.object(json, "dead_letter", fields -> DeadLetterJson.write(fields, letter)));
  }

  private void send(String type, MaskedJson.Fields data) {
    if (streams.count() > 0) {
      streams.send(Event.of(type, topics.pool(), data));
    }
  }

  @Override
  public void close() {
    streams.close();
    timer.shutdownNow();
    recent.close();
  }
}
