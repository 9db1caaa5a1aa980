package io.fisherstreams.webhook;

import io.fisherstreams.Backoff;
import io.fisherstreams.metrics.Meter;
import io.micrometer.core.instrument.Counter;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Posts events to one hook, each until the receiver accepts it. */
final class WebhookSender {
  private static final Logger LOG = LoggerFactory.getLogger(WebhookSender.class);

  private static final int REMEMBERED = 1000;
  private static final double NANOS = Duration.ofSeconds(1).toNanos();

  private final WebhookClient client;
  private final Webhook hook;
  private final Set<UUID> accepted = new LinkedHashSet<>();
  private final Counter acceptances;
  private final Counter failures;
  // System.nanoTime of the event under way; 0 without one
  private volatile long waitingSince;

  WebhookSender(WebhookClient client) {
    this.client = client;
    this.hook = client.hook();
    this.acceptances = Meter.WEBHOOK_ATTEMPTS.counter(hook.name(), "accepted");
    this.failures = Meter.WEBHOOK_ATTEMPTS.counter(hook.name(), "failed");
    Meter.WEBHOOK_WAITING.gauge(this::waitingSeconds, hook.name());
  }

  /**
   * Posts an event until the receiver answers with a 2xx status. Skips an event that this process
   * has posted before, as when a gate confirms a release.
   */
  void send(ReleaseEvent event) throws InterruptedException {
    if (accepted.contains(event.id())) {
      return;
    }
    waitingSince = System.nanoTime();
    try {
      post(event);
    } finally {
      waitingSince = 0;
    }
  }

  private double waitingSeconds() {
    long since = waitingSince;
    return since == 0 ? 0 : (System.nanoTime() - since) / NANOS;
  }

  private void post(ReleaseEvent event) throws InterruptedException {
    Backoff backoff = new Backoff(hook.firstWait(), hook.longestWait());
    while (true) {
      WebhookClient.Answer answer = client.post(event);
      if (answer.isAccepted()) {
        LOG.info("webhook {}: {} {} was accepted", hook.name(), event.type(), event.id());
        acceptances.increment();
        remember(event.id());
        return;
      }
      failures.increment();
      Duration wait = backoff.next();
      LOG.warn(
          "webhook {}: {} {} is sent again in {} ms: {}",
          hook.name(),
          event.type(),
          event.id(),
          wait.toMillis(),
          answer.failure());
      Thread.sleep(wait.toMillis());
    }
  }

  private void remember(UUID id) {
    accepted.add(id);
    if (accepted.size() > REMEMBERED) {
      accepted.remove(accepted.iterator().next());
    }
  }
}
