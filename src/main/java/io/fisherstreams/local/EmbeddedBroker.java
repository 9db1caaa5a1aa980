package io.fisherstreams.local;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.IntSupplier;
import java.util.function.Supplier;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.common.utils.Time;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One Kafka node, broker and controller together, in this process and on the loopback interface
 * only: the local mode's Kafka, with {@link BrokerSettings}. Its topics and its cluster id are kept
 * in a directory. Nothing is replicated, so the node is as safe as its one disk.
 *
 * <p>Kafka ends the process when a broker fails. From the first start on, that is prevented for the
 * whole process; {@link #failure()} completes instead, and {@link #run} ends what needs the broker.
 */
public final class EmbeddedBroker implements AutoCloseable {
  /** The largest record, key, headers and framing included, in bytes: 2 MiB of value and room. */
  public static final int DEFAULT_MAX_RECORD_BYTES = (2 << 20) + (64 << 10);

  /** Bytes of a log's segment: the front of a log is deleted by whole segments. */
  public static final int SEGMENT_BYTES = 256 << 20;

  private static final Logger LOG = LoggerFactory.getLogger(EmbeddedBroker.class);
  private static final String HOST = "127.0.0.1";
  private static final int ATTEMPTS_AT_FREE_PORTS = 5;
  private static final int MIN_USER_PORT = 1024;

  private final KafkaRaftServer server;
  private final BrokerDirectory data;
  private final String bootstrapServers;
  private final CompletableFuture<Void> failure;
  private final AtomicBoolean closed = new AtomicBoolean();

  private EmbeddedBroker(
      KafkaRaftServer server,
      BrokerDirectory data,
      String bootstrapServers,
      CompletableFuture<Void> failure) {
    this.server = server;
    this.data = data;
    this.bootstrapServers = bootstrapServers;
    this.failure = failure;
  }

  /** {@link #start(Path, int, int)} on a free port, with {@link #DEFAULT_MAX_RECORD_BYTES}. */
  public static EmbeddedBroker start(Path directory) {
    return start(directory, 0);
  }

  /** {@link #start(Path, int, int)} with {@link #DEFAULT_MAX_RECORD_BYTES}. */
  public static EmbeddedBroker start(Path directory, int port) {
    return start(directory, port, DEFAULT_MAX_RECORD_BYTES);
  }

  /**
   * Starts the broker and returns when clients can use it.
   *
   * @param directory where it keeps its topics; created when missing. A broker writes only into its
   *     {@code kafka} folder
   * @param port the loopback port for clients, 0 for a free one
   * @param maxRecordBytes the largest record batch that it accepts, in bytes
   * @throws InvalidInput if another broker uses the directory, the port is taken, or the directory
   *     cannot be written
   */
  public static EmbeddedBroker start(Path directory, int port, int maxRecordBytes) {
    return start(directory, port, maxRecordBytes, Map.of());
  }

  /** Starts on a port that is chosen when the directory is locked. */
  static EmbeddedBroker start(Path directory, IntSupplier port, int maxRecordBytes) {
    return start(directory, port, maxRecordBytes, Map.of());
  }

  /** Starts with overrides of {@link BrokerSettings}: for measuring them. */
  static EmbeddedBroker start(
      Path directory, int port, int maxRecordBytes, Map<String, String> overrides) {
    return start(directory, () -> port, maxRecordBytes, overrides);
  }

  private static EmbeddedBroker start(
      Path directory, IntSupplier choice, int maxRecordBytes, Map<String, String> overrides) {
    BrokerDirectory data = BrokerDirectory.open(directory.toAbsolutePath().resolve("kafka"));
    try {
      int port = choice.getAsInt();
      for (int attempt = 1; ; attempt++) {
        int clientPort = port == 0 ? freePort() : checkFree(port);
        int controllerPort = freePort();
        while (controllerPort == clientPort) { // neither is bound yet
          controllerPort = freePort();
        }
        Map<String, Object> settings =
            BrokerSettings.of(data.path(), HOST, clientPort, controllerPort, maxRecordBytes);
        settings.putAll(overrides);
        CompletableFuture<Void> failure = trapExit();
        KafkaRaftServer server = new KafkaRaftServer(new KafkaConfig(settings), Time.SYSTEM);
        try {
          server.startup();
          return new EmbeddedBroker(server, data, HOST + ":" + clientPort, failure);
        } catch (RuntimeException | Error e) {
          stopQuietly(server);
          // Another process may have taken a port between its choice and its use.
          if (!causedByTakenPort(e) || attempt == ATTEMPTS_AT_FREE_PORTS) {
            throw e;
          }
        }
      }
    } catch (RuntimeException | Error e) {
      data.close();
      throw e;
    }
  }

  /** The value of a Kafka client's {@code bootstrap.servers}, one {@code host:port}. */
  public String bootstrapServers() {
    return bootstrapServers;
  }

  /** The cluster's id, the same each time the directory is opened. */
  public String clusterId() {
    return data.clusterId();
  }

  /**
   * Completes exceptionally when the broker fails (its disk is full, say), where Kafka would have
   * ended the process. The broker must then be closed.
   */
  public CompletionStage<Void> failure() {
    return failure.minimalCompletionStage();
  }

  /**
   * Runs work that needs the broker on the calling thread. When the broker fails, the thread is
   * interrupted, because a Kafka client would wait for a dead broker without end.
   *
   * @throws InvalidInput with the broker's failure when it failed, whatever the work threw
   */
  public <T> T run(Supplier<T> work) {
    Thread worker = Thread.currentThread();
    Object lock = new Object();
    T result;
    AtomicBoolean running = new AtomicBoolean(true);
    failure.exceptionally(
        cause -> {
          synchronized (lock) {
            if (running.get()) {
              worker.interrupt();
            }
          }
          return null;
        });
    try {
      result = work.get();
    } catch (RuntimeException e) {
      throw failed().orElse(e);
    } finally {
      synchronized (lock) {
        running.set(false);
        if (failure.isCompletedExceptionally()) {
          Thread.interrupted(); // so that the caller can close what it has opened
        }
      }
    }
    failed()
        .ifPresent(
            cause -> {
              throw cause;
            });
    return result;
  }

  private Optional<RuntimeException> failed() {
    try {
      failure.getNow(null);
      return Optional.empty();
    } catch (CompletionException e) {
      String message = e.getCause().getMessage() + "; its log above says why";
      return Optional.of(new InvalidInput(message, e.getCause()));
    }
  }

  /** Stops the broker, with its topics on disk complete. A second call does nothing. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      try {
        server.shutdown();
        server.awaitShutdown();
      } finally {
        data.close();
      }
    }
  }

  /** Turns Kafka's call to end the process into a failure of the broker that was started last. */
  private static CompletableFuture<Void> trapExit() {
    CompletableFuture<Void> failure = new CompletableFuture<>();
    Exit.Procedure trap =
        (status, message) -> {
          IllegalStateException call =
              new IllegalStateException(
                  "the embedded broker failed"
                      + (message == null ? "" : ": " + message)
                      + " (exit status "
                      + status
                      + ")");
          failure.completeExceptionally(call);
          throw call;
        };
    Exit.setExitProcedure(trap);
    Exit.setHaltProcedure(trap);
    return failure;
  }

  private static int freePort() {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(HOST))) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int checkFree(int port) {
    if (isFree(port)) {
      return port;
    }
    throw taken(port, null);
  }

  /** A port on which nobody can listen: another process does, or the user may not. */
  static InvalidInput taken(int port, BindException cause) {
    return new InvalidInput(
        port < MIN_USER_PORT
            ? String.format(
                Locale.ROOT,
                "port %d of %s cannot be used: it is taken, or only root may use it",
                port,
                HOST)
            : String.format(
                Locale.ROOT,
                "port %d of %s is taken: stop what listens there or choose another",
                port,
                HOST),
        cause);
  }

  /** Whether nothing listens on a loopback port. */
  static boolean isFree(int port) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress(HOST, port));
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private static boolean causedByTakenPort(Throwable thrown) {
    for (Throwable t = thrown; t != null; t = t.getCause()) {
      if (t instanceof BindException) {
        return true;
      }
    }
    return false;
  }

  private static void stopQuietly(KafkaRaftServer server) {
    try {
      server.shutdown();
    } catch (RuntimeException | Error e) {
      LOG.debug("stopping a broker that did not start", e);
    }
  }
}
