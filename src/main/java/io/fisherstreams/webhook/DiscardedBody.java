package io.fisherstreams.webhook;

import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow.Subscription;

/**
 * Discards the body of an answer. Ends the connection after {@link #MAX_BYTES}: a receiver's answer
 * is its status, and a body without end must not hold the hook.
 */
final class DiscardedBody implements BodySubscriber<Void> {
  /** Bytes of a body that are read, so that the connection can be used again. */
  static final int MAX_BYTES = 1 << 16;

  private final CompletableFuture<Void> end = new CompletableFuture<>();
  private Subscription subscription;
  private long bytes;

  @Override
  public CompletionStage<Void> getBody() {
    return end;
  }

  @Override
  public void onSubscribe(Subscription body) {
    subscription = body;
    body.request(Long.MAX_VALUE);
  }

  @Override
  public void onNext(List<ByteBuffer> buffers) {
    bytes += buffers.stream().mapToLong(ByteBuffer::remaining).sum();
    if (bytes > MAX_BYTES) {
      subscription.cancel();
      end.complete(null);
    }
  }

  @Override
  public void onError(Throwable failure) {
    end.completeExceptionally(failure);
  }

  @Override
  public void onComplete() {
    end.complete(null);
  }
}
