package io.fisherstreams.webhook;

import io.fisherstreams.InvalidInput;
import java.net.ConnectException;
import java.net.http.HttpClient;
import java.net.http.HttpClient.Redirect;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

/** Posts signed events to one hook, in the format of Standard Webhooks. */
public final class WebhookClient {
  /**
   * What came of one attempt.
   *
   * @param status of the receiver's answer; 0 when there was none
   * @param failure what went wrong; empty when the receiver accepted the event
   */
  public record Answer(int status, String failure) {
    /** Whether the receiver accepted the event: any 2xx status. */
    public boolean isAccepted() {
      return failure.isEmpty();
    }

    private static Answer none(String why) {
      return new Answer(0, why);
    }
  }

  private final Webhook hook;
  private final HttpClient client;

  /**
   * A client of one hook.
   *
   * @throws InvalidInput when the hook's secrets cannot be read
   */
  public WebhookClient(Webhook hook) {
    this.hook = hook;
    hook.secrets();
    client =
        HttpClient.newBuilder()
            .connectTimeout(hook.timeout())
            // an attacker on the receiving host must not redirect the signed event
            .followRedirects(Redirect.NEVER)
            .version(HttpClient.Version.HTTP_1_1)
            .build();
  }

  /** The hook's name. */
  public String name() {
    return hook.name();
  }

  Webhook hook() {
    return hook;
  }

  /** Posts an event once, signed with the hook's present secrets. */
  public Answer post(ReleaseEvent event) throws InterruptedException {
    HttpRequest request;
    try {
      request = request(event);
    } catch (InvalidInput e) {
      return Answer.none(e.getMessage()); // its secret is being replaced
    }
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
        return Answer.none(reason(e.getCause()));
      }
    } catch (TimeoutException e) {
      if (status.get() == 0) {
        return Answer.none(late());
      }
    } finally {
      exchange.cancel(true);
    }
    // The status is the answer, even when the body does not end.
    return new Answer(
        status.get(), status.get() / 100 == 2 ? "" : "it answered with status " + status);
  }

  private HttpRequest request(ReleaseEvent event) {
    long seconds = System.currentTimeMillis() / 1000;
    String id = event.id().toString();
    return HttpRequest.newBuilder(hook.url())
        .timeout(hook.timeout())
        .header("Content-Type", "application/json")
        .header("User-Agent", "fisher-streams")
        .header("webhook-id", id)
        .header("webhook-timestamp", Long.toString(seconds))
        .header("webhook-signature", WebhookSignature.of(hook.secrets(), id, seconds, event.body()))
        .POST(BodyPublishers.ofByteArray(event.body()))
        .build();
  }

  private String reason(Throwable failure) {
    if (failure instanceof HttpTimeoutException) {
      return late();
    }
    if (failure instanceof ConnectException) {
      return "no connection to " + hook.url().getAuthority();
    }
    return failure.getMessage() == null ? "the connection broke" : failure.getMessage();
  }

  private String late() {
    return String.format(Locale.ROOT, "it did not answer within %d ms", hook.timeout().toMillis());
  }
}
