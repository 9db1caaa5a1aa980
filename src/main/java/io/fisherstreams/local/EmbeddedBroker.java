package io.fisherstreams.local;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicBoolean;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.properties.MetaPropertiesEnsemble;
import org.apache.kafka.metadata.storage.Formatter;
import org.apache.kafka.metadata.storage.FormatterException;
import org.apache.kafka.server.common.MetadataVersion;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One Kafka node, broker and controller together, in this process and on the loopback interface
 * only: the local mode's Kafka. Its topics lie in a directory and are there again, under the same
 * cluster id, when the directory is opened again.
 *
 * <p>It is tuned for a few topics whose records are 1 to 2 MiB large and for two processor cores
 * that the stages use as well. Nothing is replicated, so its guarantees against loss are those of
 * the one disk.
 *
 * <p>Kafka ends the process when a broker fails. Here that is prevented for the whole process, from
 * the first start on, and {@link #failure()} tells of it instead.
 */
public final class EmbeddedBroker implements AutoCloseable {
  /** The largest record, key, headers and framing included, in bytes: 2 MiB of value and room. */
  public static final int DEFAULT_MAX_RECORD_BYTES = (2 << 20) + (64 << 10);

  /** Bytes of a log's segment: a log's front goes by whole ones. */
  public static final int SEGMENT_BYTES = 256 << 20;

  private static final Logger LOG = LoggerFactory.getLogger(EmbeddedBroker.class);
  private static final String HOST = "127.0.0.1";
  private static final int NODE_ID = 1;
  private static final int ATTEMPTS_AT_FREE_PORTS = 5;

  private final KafkaRaftServer server;
  private final FileChannel lockFile;
  private final String bootstrapServers;
  private final String clusterId;
  private final CompletableFuture<Void> failure;
  private final AtomicBoolean closed = new AtomicBoolean();

  private EmbeddedBroker(
      KafkaRaftServer server,
      FileChannel lockFile,
      String bootstrapServers,
      String clusterId,
      CompletableFuture<Void> failure) {
    this.server = server;
    this.lockFile = lockFile;
    this.bootstrapServers = bootstrapServers;
    this.clusterId = clusterId;
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
   * @param directory where its topics lie; made when missing. A broker writes into its {@code
   *     kafka} folder only
   * @param port the loopback port for clients, 0 for a free one
   * @param maxRecordBytes the largest record batch that it takes, in bytes
   * @throws InvalidInput if another broker uses the directory, the port is taken, or the directory
   *     cannot be written
   */
  public static EmbeddedBroker start(Path directory, int port, int maxRecordBytes) {
    return start(directory, port, maxRecordBytes, Map.of());
  }

  /** As above, with broker settings that go before the class's own: for measuring them. */
  static EmbeddedBroker start(
      Path directory, int port, int maxRecordBytes, Map<String, String> overrides) {
    Path data = directory.toAbsolutePath().resolve("kafka");
    FileChannel lockFile = lock(data);
    try {
      String clusterId = format(data);
      for (int attempt = 1; ; attempt++) {
        int clientPort = port == 0 ? freePort() : checkFree(port);
        int controllerPort = freePort();
        while (controllerPort == clientPort) { // neither is bound yet
          controllerPort = freePort();
        }
        Map<String, Object> settings = settings(data, clientPort, controllerPort, maxRecordBytes);
        settings.putAll(overrides);
        CompletableFuture<Void> failure = trapExit();
        KafkaRaftServer server = new KafkaRaftServer(new KafkaConfig(settings), Time.SYSTEM);
        try {
          server.startup();
          return new EmbeddedBroker(server, lockFile, HOST + ":" + clientPort, clusterId, failure);
        } catch (RuntimeException | Error e) {
          stopQuietly(server);
          // Another process may have taken a port between its choice and its use.
          if (!causedByTakenPort(e) || attempt == ATTEMPTS_AT_FREE_PORTS) {
            throw e;
          }
        }
      }
    } catch (RuntimeException | Error e) {
      closeQuietly(lockFile);
      throw e;
    }
  }

  /** What a Kafka client's {@code bootstrap.servers} takes, one {@code host:port}. */
  public String bootstrapServers() {
    return bootstrapServers;
  }

  /** The cluster's id, the same each time the directory is opened. */
  public String clusterId() {
    return clusterId;
  }

  /**
   * Completes exceptionally when the broker can no longer go on (its disk is full, say) and would
   * have ended the process. The broker must then be closed.
   */
  public CompletionStage<Void> failure() {
    return failure.minimalCompletionStage();
  }

  /** Stops the broker, with its topics on disk complete. A second call does nothing. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      try {
        server.shutdown();
        server.awaitShutdown();
      } finally {
        closeQuietly(lockFile);
      }
    }
  }

  private static Map<String, Object> settings(
      Path data, int clientPort, int controllerPort, int maxRecordBytes) {
    Map<String, Object> s = new HashMap<>();
    s.put("process.roles", "broker,controller");
    s.put("node.id", NODE_ID);
    s.put("controller.quorum.voters", NODE_ID + "@" + HOST + ":" + controllerPort);
    s.put(
        "listeners",
        "CLIENTS://" + HOST + ":" + clientPort + ",CONTROLLER://" + HOST + ":" + controllerPort);
    s.put("advertised.listeners", "CLIENTS://" + HOST + ":" + clientPort);
    s.put("listener.security.protocol.map", "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT");
    s.put("inter.broker.listener.name", "CLIENTS");
    s.put("controller.listener.names", "CONTROLLER");
    s.put("log.dirs", data.toString());

    s.put("message.max.bytes", maxRecordBytes);
    s.put("replica.fetch.max.bytes", maxRecordBytes);
    s.put("auto.create.topics.enable", false);

    // One node: nothing to replicate to. Few partitions, since each costs files and start-up time.
    s.put("offsets.topic.replication.factor", 1);
    s.put("offsets.topic.num.partitions", 1);
    s.put("transaction.state.log.replication.factor", 1);
    s.put("transaction.state.log.min.isr", 1);
    s.put("transaction.state.log.num.partitions", 2);
    s.put("share.coordinator.state.topic.replication.factor", 1);
    s.put("share.coordinator.state.topic.min.isr", 1);
    s.put("share.coordinator.state.topic.num.partitions", 1);
    s.put("group.initial.rebalance.delay.ms", 0);
    // A killed stage's successor need not wait for longer than this to be let in.
    s.put("group.min.session.timeout.ms", 1000);
    // A pool that nobody opened for months goes on where it stopped.
    s.put("offsets.retention.minutes", 5 * 365 * 24 * 60);

    // The kernel sizes the socket buffers: with Kafka's own 100 KiB a record of a mebibyte is many
    // round trips, and a fixed size is capped where autotuning is not.
    s.put("socket.send.buffer.bytes", -1);
    s.put("socket.receive.buffer.bytes", -1);

    // Two cores are shared with the stages.
    s.put("num.network.threads", 1);
    s.put("num.io.threads", 2);
    s.put("background.threads", 2);
    s.put("group.coordinator.threads", 1);
    s.put("share.coordinator.threads", 1);
    s.put("num.recovery.threads.per.data.dir", 2);
    // No reader for them, and registering JMX beans slows the start.
    s.put("metric.reporters", "");

    // Deleted records free their disk space within seconds: segments are small, looked through
    // often and unlinked at once.
    s.put("log.segment.bytes", SEGMENT_BYTES);
    s.put("log.retention.check.interval.ms", 10_000);
    s.put("log.segment.delete.delay.ms", 1_000);
    // A topic with data less than ten minutes old isn't compacted, so that a merge under way isn't
    // slowed; 2 MiB hold the offsets of 78,000 keys at a time.
    s.put("log.cleaner.threads", 1);
    s.put("log.cleaner.dedupe.buffer.size", 2 << 20);
    s.put("log.cleaner.min.compaction.lag.ms", 600_000);
    s.put("log.cleaner.io.max.bytes.per.second", 64e6);
    // Kafka parses text into the width it wants, but takes no int for a short.
    s.replaceAll((name, value) -> value.toString());
    return s;
  }

  /**
   * Formats the directory unless it was before.
   *
   * @return the id of its cluster
   */
  private static String format(Path data) {
    try {
      String clusterId =
          new MetaPropertiesEnsemble.Loader()
              .addLogDirs(List.of(data.toString()))
              .load()
              .clusterId()
              .orElseGet(() -> Uuid.randomUuid().toString());
      new Formatter()
          .setPrintStream(
              new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8))
          .setNodeId(NODE_ID)
          .setClusterId(clusterId)
          .addDirectory(data.toString())
          .setMetadataLogDirectory(data.toString())
          .setControllerListenerName("CONTROLLER")
          .setReleaseVersion(MetadataVersion.latestProduction())
          .setIgnoreFormatted(true)
          .run();
      return clusterId;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (FormatterException e) {
      throw new InvalidInput(data + " is not a broker's directory: " + e.getMessage(), e);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("formatting " + data, e);
    }
  }

  /**
   * Locks the directory against other processes: Kafka's own lock comes too late, after the
   * controller has begun to write.
   */
  private static FileChannel lock(Path data) {
    FileChannel channel = null;
    try {
      Files.createDirectories(data);
      channel =
          FileChannel.open(
              data.resolve(".embedded-broker.lock"),
              StandardOpenOption.CREATE,
              StandardOpenOption.WRITE);
      FileLock lock = channel.tryLock();
      if (lock != null) {
        return channel;
      }
    } catch (OverlappingFileLockException e) {
      // Held by this process; said below.
    } catch (IOException e) {
      closeQuietly(channel);
      throw new InvalidInput("cannot write the broker's directory " + data + ": " + e, e);
    }
    closeQuietly(channel);
    throw new InvalidInput(
        "another broker is running in "
            + data.getParent()
            + ": stop it, connect to it with --bootstrap-servers, or choose another directory");
  }

  /** Makes Kafka's wish to end the process a failure of the broker started last. */
  private static CompletableFuture<Void> trapExit() {
    CompletableFuture<Void> failure = new CompletableFuture<>();
    Exit.Procedure trap =
        (status, message) -> {
          IllegalStateException wish =
              new IllegalStateException(
                  "the embedded broker failed"
                      + (message == null ? "" : ": " + message)
                      + " (exit status "
                      + status
                      + ")");
          failure.completeExceptionally(wish);
          throw wish;
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
    try (ServerSocket socket = new ServerSocket()) {
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress(HOST, port));
      return port;
    } catch (IOException e) {
      throw new InvalidInput(
          "port " + port + " of " + HOST + " is taken: stop what listens there or choose another",
          e);
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

  private static void closeQuietly(FileChannel channel) {
    if (channel != null) {
      try {
        channel.close();
      } catch (IOException e) {
        LOG.debug("closing a lock file", e);
      }
    }
  }
}
