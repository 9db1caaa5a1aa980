package io.fisherstreams.api;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Sends events to every client that listens. */
final class EventStreams implements AutoCloseable {
  private static final Duration COMMENT_EVERY = Duration.ofSeconds(15);
  // A release changes each of its models: several times the models of a large pool.
  private static final int MAX_WAITING = 10_000;

  private static final class Stream {
    private final BlockingQueue<Event> waiting = new ArrayBlockingQueue<>(MAX_WAITING);
    private volatile boolean ended;

    /** Ends the stream when too many events wait already. */
    boolean accepts(Event event) {
      ended |= !waiting.offer(event);
      return !ended;
    }
  }

  private final int most;
  private final List<Stream> streams = new CopyOnWriteArrayList<>();
  private volatile boolean closed;

  /** Serves so many clients at a time. */
  EventStreams(int most) {
    this.most = most;
  }

  /** How many clients listen. */
  int count() {
    return streams.size();
  }

  /** Sends an event to all; a client that reads too slowly is disconnected. */
  void send(Event event) {
    streams.removeIf(stream -> !stream.accepts(event));
  }

  /**
   * Sends events until the client is gone.
   *
   * @param first the event with which the stream begins, made after the stream gets all others
   */
  void serve(Request request, Supplier<Event> first) throws IOException {
    Stream stream = new Stream();
    synchronized (this) {
      if (streams.size() >= most) {
        request.set("Retry-After", "10");
        throw new Problem(
            503,
            String.format(
                Locale.ROOT, "%d clients listen already, the most allowed (api.streams)", most));
      }
      streams.add(stream);
    }
    try {
      Event start = first.get();
      request.set("Content-Type", "text/event-stream");
      request.begin(200, -1);
      send(request, start);
      while (!stream.ended && !closed && !request.isHead()) {
        Event event = stream.waiting.poll(COMMENT_EVERY.toMillis(), TimeUnit.MILLISECONDS);
        send(request, event == null ? Event.COMMENT : event);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      streams.remove(stream);
    }
  }

  private static void send(Request request, Event event) throws IOException {
    request.write(event.bytes(), event.bytes().length);
  }

  /** Ends every stream. */
  @Override
  public void close() {
    closed = true;
    for (Stream stream : streams) {
      stream.waiting.offer(Event.COMMENT); // ends the wait
    }
  }
}
