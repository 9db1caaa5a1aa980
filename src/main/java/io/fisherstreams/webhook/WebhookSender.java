package io.fisherstreams.webhook;

import io.fisherstreams.Backoff;
import java.net.ConnectException;
import java.net.http.HttpClient;
import java.net.http.HttpClient.Redirect;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Posts events to one hook, each until the receiver accepts it. */
final class WebhookSender {
  private static final Logger LOG = LoggerFactory.getLogger(WebhookSender.class);

  private static final int REMEMBERED = 1000;

  private final Webhook hook;
  private final byte[] secret;
  private final HttpClient client;
  private final Set<UUID> accepted = new LinkedHashSet<>();

  WebhookSender(Webhook hook) {
    this.hook = hook;
    secret = hook.secret();
    client =
        HttpClient.newBuilder()
            .connectTimeout(hook.timeout())
            // an attacker on the receiving host must not redirect the signed event
            .followRedirects(Redirect.NEVER)
            .version(HttpClient.Version.HTTP_1_1)
            .build();
  }

  /**
   * Posts an event until the receiver answers with a 2xx status. Skips an event that this process
   * has posted before, as when a gate confirms a release.
   */
  void send(ReleaseEvent event) throws InterruptedException {
    if (accepted.contains(event.delivery())) {
      return;
    }
    Backoff backoff = new Backoff(hook.firstWait(), hook.longestWait());
    while (true) {
      String failure = attempt(event);
      if (failure == null) {
        LOG.info("webhook {}: {} {} was accepted", hook.name(), event.name(), event.delivery());
        remember(event.delivery());
        return;
      }
      Duration wait = backoff.next();
      LOG.warn(
          "webhook {}: {} {} is sent again in {} ms: {}",
          hook.name(),
          event.name(),
          event.delivery(),
          wait.toMillis(),
          failure);
      Thread.sleep(wait.toMillis());
    }
  }

  private void remember(UUID delivery) {
    accepted.add(delivery);
    if (accepted.size() > REMEMBERED) {
      accepted.remove(accepted.iterator().next());
    }
  }

  /** What went wrong, null when nothing did. */
  private String attempt(ReleaseEvent event) throws InterruptedException {
    long seconds = System.currentTimeMillis() / 1000;
    HttpRequest request =
        HttpRequest.newBuilder(hook.url())
            .timeout(hook.timeout())
            .header("Content-Type", "application/json")
            .header("User-Agent", "fisher-streams")
            .header("FisherStreams-Event", event.name())
            .header("FisherStreams-Delivery", event.delivery().toString())
            .header("FisherStreams-Signature", WebhookSignature.of(secret, seconds, event.body()))
            .POST(BodyPublishers.ofByteArray(event.body()))
            .build();
    AtomicInteger status = new AtomicInteger();
    CompletableFuture<HttpResponse<Void>> exchange =
        client.sendAsync(
            request,
            response -> {
              status.set(response.statusCode());
              return new DiscardedBody();
            });
    try {
      exchange.get(hook.timeout().toNanos(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      if (status.get() == 0) {
        return reason(e.getCause());
      }
    } catch (TimeoutException e) {
      if (status.get() == 0) {
        return "it did not answer within %d ms".formatted(hook.timeout().toMillis());
      }
    } finally {
      exchange.cancel(true);
    }
    // The status is the answer, even when the body does not end.
    return status.get() / 100 == 2 ? null : "it answered with status " + status;
  }

  private String reason(Throwable failure) {
    if (failure instanceof HttpTimeoutException) {
      return "it did not answer within %d ms".formatted(hook.timeout().toMillis());
    }
    if (failure instanceof ConnectException) {
      return "no connection to " + hook.url().getHost();
    }
    return failure.getMessage() == null ? "the connection broke" : failure.getMessage();
  }
}
