package io.fisherstreams.webhook;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.kafka.TopicFollower;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.PoolTopics;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * Tells webhooks of releases and aliases, each hook at its own pace: a follower of both topics with
 * a consumer group of its own, so that one that does not answer holds nobody else up.
 */
public final class WebhookStage implements StageInstance {
  private final List<TopicFollower> followers;
  private final CompletableFuture<Optional<Throwable>> ended = new CompletableFuture<>();

  private WebhookStage(List<TopicFollower> followers) {
    this.followers = followers;
  }

  /**
   * An instance that is not started.
   *
   * @throws InvalidInput when there is no hook, or a hook's secret cannot be read
   */
  public static WebhookStage create(
      KafkaSettings kafka, PoolTopics topics, List<Webhook> webhooks) {
    if (webhooks.isEmpty()) {
      throw new InvalidInput("the configuration has no webhooks");
    }
    List<WebhookSender> senders = webhooks.stream().map(WebhookSender::new).toList();
    List<TopicFollower> followers = new ArrayList<>();
    for (int i = 0; i < senders.size(); i++) {
      WebhookSender sender = senders.get(i);
      String stage = stage(webhooks.get(i).name());
      followers.add(
          new TopicFollower(
              stage,
              kafka.newGroupConsumer(KafkaSettings.applicationId(topics, stage)),
              List.of(topics.releases(), topics.aliases()),
              true,
              record -> {
                Optional<ReleaseEvent> event = event(topics, record);
                if (event.isPresent()) {
                  sender.send(event.get());
                }
              }));
    }
    return new WebhookStage(followers);
  }

  /** The stage's name of a hook, in its consumer group. */
  public static String stage(String hook) {
    return "webhook-" + hook;
  }

  private static Optional<ReleaseEvent> event(
      PoolTopics topics, ConsumerRecord<byte[], byte[]> record) {
    return record.topic().equals(topics.releases().name())
        ? TopicReader.value(topics.releases(), record)
            .flatMap(release -> ReleaseEvent.of(topics.pool(), release))
        : TopicReader.value(topics.aliases(), record)
            .flatMap(alias -> ReleaseEvent.of(topics.pool(), alias));
  }

  @Override
  @SuppressWarnings("FutureReturnValueIgnored") // "ended" is where it leads
  public void start() {
    for (TopicFollower follower : followers) {
      follower.ended().thenAccept(ended::complete);
      follower.start();
    }
  }

  @Override
  public CompletableFuture<Optional<Throwable>> ended() {
    return ended;
  }

  @Override
  public void close() {
    followers.forEach(TopicFollower::close);
  }
}
