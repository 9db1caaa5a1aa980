package io.fisherstreams.local;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.CleanUp;
import io.fisherstreams.files.FileTree;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.metadata.properties.MetaPropertiesEnsemble;
import org.apache.kafka.metadata.storage.Formatter;
import org.apache.kafka.metadata.storage.FormatterException;
import org.apache.kafka.server.common.MetadataVersion;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The folder of an embedded broker's logs: formatted for Kafka, and locked until it is closed. */
final class BrokerDirectory implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(BrokerDirectory.class);

  // Its content is the owner's process id.
  private static final String LOCK = ".embedded-broker.lock";

  private final Path path;
  private final FileChannel lockFile;
  private final String clusterId;

  private BrokerDirectory(Path path, FileChannel lockFile, String clusterId) {
    this.path = path;
    this.lockFile = lockFile;
    this.clusterId = clusterId;
  }

  /**
   * Locks and formats a folder, creating it.
   *
   * @throws InvalidInput if another broker uses it, or it cannot be written
   */
  static BrokerDirectory open(Path path) {
    FileChannel lockFile = lock(path);
    try {
      Path named = nameable(path);
      return new BrokerDirectory(named, lockFile, format(named));
    } catch (RuntimeException e) {
      closeQuietly(lockFile);
      throw e;
    }
  }

  Path path() {
    return path;
  }

  /**
   * The folder under a name that Kafka can take: its setting is a list with commas between, whose
   * entries it trims.
   */
  private static Path nameable(Path folder) {
    String name = folder.toString();
    if (name.indexOf(',') < 0 && name.equals(name.strip())) {
      return folder;
    }
    try {
      Path link = Files.createTempDirectory("fisher-streams-link-").resolve("kafka");
      Files.createSymbolicLink(link, folder);
      CleanUp.onStop(link.toString(), () -> FileTree.delete(link.getParent()));
      return link;
    } catch (IOException e) {
      throw new InvalidInput(
          "%s has a comma in its name, which Kafka cannot take, and no link to it can be made: %s"
              .formatted(folder, InvalidInput.reason(e)),
          e);
    }
  }

  /** The id of the cluster, which the folder keeps. */
  String clusterId() {
    return clusterId;
  }

  @Override
  public void close() {
    closeQuietly(lockFile);
    if (Files.isSymbolicLink(path)) {
      FileTree.delete(path.getParent());
    }
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
          .setNodeId(BrokerSettings.NODE_ID)
          .setClusterId(clusterId)
          .addDirectory(data.toString())
          .setMetadataLogDirectory(data.toString())
          .setControllerListenerName(BrokerSettings.CONTROLLER_LISTENER)
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
          FileChannel.open(data.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      FileLock lock = channel.tryLock();
      if (lock != null) {
        channel.truncate(0);
        channel.write(StandardCharsets.UTF_8.encode(ProcessHandle.current().pid() + "\n"));
        return channel;
      }
    } catch (OverlappingFileLockException e) {
      // this process has the lock; reported below
    } catch (IOException e) {
      closeQuietly(channel);
      throw InvalidInput.unwritable(data, e);
    }
    String owner = owner(data);
    closeQuietly(channel);
    throw new InvalidInput(
        "another broker is running in %s (%s): stop it, or choose another directory"
            .formatted(data.getParent(), owner));
  }

  private static String owner(Path data) {
    try {
      return "process " + Files.readString(data.resolve(LOCK), StandardCharsets.UTF_8).strip();
    } catch (IOException e) {
      return "its process is not known";
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
