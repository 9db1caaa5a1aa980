package io.fisherstreams.webhook;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.kafka.TopicFollower;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * Notifies webhooks of releases and aliases. Each hook has a follower of both topics with its own
 * consumer group, so a hook that does not answer delays no other.
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
  public static StageInstance create(
      KafkaSettings kafka, PoolTopics topics, List<Webhook> webhooks) {
    if (webhooks.isEmpty()) {
      throw new InvalidInput("the configuration has no webhooks");
    }
    List<WebhookSender> senders =
        webhooks.stream().map(hook -> new WebhookSender(new WebhookClient(hook))).toList();
    List<TopicFollower> followers = new ArrayList<>();
    for (int i = 0; i < senders.size(); i++) {
      WebhookSender sender = senders.get(i);
      String hook = webhooks.get(i).name();
      followers.add(
          new TopicFollower(
              Stage.webhook(hook),
              kafka.newGroupConsumer(Stage.webhookGroup(topics.pool(), hook)),
              List.of(topics.releases(), topics.aliases()),
              TopicFollower.Start.END,
              record -> {
                for (ReleaseEvent event : ReleaseEvent.of(topics, record)) {
                  sender.send(event);
                }
              }));
    }
    return new WebhookStage(followers);
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
