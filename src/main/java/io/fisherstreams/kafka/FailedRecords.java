package io.fisherstreams.kafka;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Counts how often each record made its stage fail, for failures that nobody foresaw: a record that
 * has failed {@value #MAX_FAILURES} times is set aside, and the stage goes on.
 *
 * <p>A failure often appears after its record: a send fails when a later record is processed, or at
 * the commit. So after a failure a task is <em>careful</em> for a while: it commits after every
 * record. If it fails then, the last record that it began is the suspect, and if that record comes
 * again, it was not committed: that counts. A failure of the brokers, the network or the disk
 * counts for no record, see {@link FailureCause}.
 *
 * <p>The counts are in a file, because a failure can end the process. Thread-safe.
 */
public final class FailedRecords {
  static final int MAX_FAILURES = 3;

  // Its dead letter may be what fails: then it is sent without the content, and then not at all.
  private static final int MAX_WITH_CONTENT = 6;
  private static final int MAX_WITHOUT_CONTENT = 9;

  private static final int CAREFUL_RECORDS = 256;
  private static final int MAX_KNOWN = 10_000;
  private static final Logger LOG = LoggerFactory.getLogger(FailedRecords.class);
  private static final String CAREFUL = "careful";
  private static final String FAILED = "failed";

  /** What to do with a record. */
  public enum Handling {
    /** Process it. */
    PROCESS,
    /** Send it to {@code dead-letters}. */
    SET_ASIDE,
    /** The dead letter failed as well: send one that only names the record. */
    NAME,
    /** That failed as well: only log it. */
    SKIP
  }

  /**
   * How to handle a record, and why.
   *
   * @param reason for the dead letter; empty for a record that is processed
   */
  public record Verdict(Handling handling, String reason) {}

  private static final class Task {
    private final Map<TopicPartition, Long> offsets = new HashMap<>();
    private int careful;
    private String last;
    private long order;
    private Thread thread;
    private String suspect;
    private String cause = "";
    private Throwable noted;
    private boolean isConfirmed;
  }

  private static final class Failures {
    private final String task;
    private int count;
    private String cause = "";

    Failures(String task) {
      this.task = task;
    }
  }

  private final Optional<Path> file;
  private final Map<String, Task> tasks = new HashMap<>();
  private final Map<String, Failures> failures = new HashMap<>();
  private long begun;

  private FailedRecords(Optional<Path> file) {
    this.file = file;
    file.filter(Files::exists).ifPresent(this::load);
  }

  /** Counts that end with the process. */
  public static FailedRecords inMemory() {
    return new FailedRecords(Optional.empty());
  }

  /** Counts in a file of the stage's state directory; the file may not exist. */
  public static FailedRecords in(Path stateDirectory) {
    return new FailedRecords(Optional.of(stateDirectory.resolve("failed-records")));
  }

  /** A task begins a record; says how to handle it. */
  public synchronized Verdict begin(String task, RecordMetadata origin) {
    beCarefulWithOldRecords(task, origin);
    return begin(task, origin.topic() + "-" + origin.partition() + " offset " + origin.offset());
  }

  /**
   * A record that comes again was not committed: its transaction was given up without a failure
   * that a task sees. The brokers may reject a batch that the producer cannot make smaller, until
   * the transaction times out; after each record on its own, the cause shows.
   */
  private void beCarefulWithOldRecords(String name, RecordMetadata origin) {
    Task task = tasks.computeIfAbsent(name, n -> new Task());
    TopicPartition partition = new TopicPartition(origin.topic(), origin.partition());
    Long last = task.offsets.put(partition, origin.offset());
    if (last != null && origin.offset() <= last && task.careful == 0) {
      task.careful = CAREFUL_RECORDS;
    }
  }

  synchronized Verdict begin(String name, String record) {
    Task task = tasks.computeIfAbsent(name, n -> new Task());
    if (record.equals(task.suspect)) {
      Failures known = failures.computeIfAbsent(record, r -> new Failures(name));
      known.count++;
      known.cause = task.cause;
      task.suspect = null;
      save();
    }
    if (task.careful > 0 && --task.careful == 0) {
      task.suspect = null;
      failures.values().removeIf(known -> known.task.equals(name));
      save();
    }
    task.last = record;
    task.order = ++begun;
    task.thread = Thread.currentThread();
    Failures known = failures.get(record);
    return known == null
        ? new Verdict(Handling.PROCESS, "")
        : new Verdict(
            handling(known.count),
            String.format(
                Locale.ROOT,
                "set aside after %d failures of the stage: %s",
                known.count,
                known.cause));
  }

  private static Handling handling(int count) {
    if (count < MAX_FAILURES) {
      return Handling.PROCESS;
    }
    if (count < MAX_WITH_CONTENT) {
      return Handling.SET_ASIDE;
    }
    return count < MAX_WITHOUT_CONTENT ? Handling.NAME : Handling.SKIP;
  }

  /** Whether a task commits after every record. */
  public synchronized boolean isCareful(String task) {
    return tasks.containsKey(task) && tasks.get(task).careful > 0;
  }

  /**
   * Notes a failure, once.
   *
   * @param name the task; empty when it is not known: then it is the one that began a record last
   *     on this thread
   * @param isExact whether only the last record can be the cause
   * @return whether a record is known to be the cause, so that the number of such failures has a
   *     limit
   */
  public synchronized boolean failed(Optional<String> name, Throwable failure, boolean isExact) {
    if (FailureCause.isTransient(failure)) {
      return false;
    }
    Optional<String> known = isExact ? name : FailureCause.sender(failure).or(() -> name);
    Optional<Task> found =
        known.isPresent() ? Optional.ofNullable(tasks.get(known.get())) : newestOfThisThread();
    if (found.isEmpty() || found.get().last == null) {
      return false;
    }
    Task task = found.get();
    if (task.noted != null && FailureCause.chain(failure).contains(task.noted)) {
      return task.isConfirmed;
    }
    boolean isSuspect = isExact || task.careful > 0;
    task.noted = failure;
    task.suspect = isSuspect ? task.last : null;
    task.isConfirmed = isSuspect && failures.containsKey(task.last);
    task.cause = FailureCause.text(failure);
    task.careful = CAREFUL_RECORDS;
    save();
    return task.isConfirmed;
  }

  /** Notes a failure of other work than a record's, such as a plan; it counts for that work. */
  public synchronized void workFailed(String work, Throwable failure) {
    if (!FailureCause.isTransient(failure)) {
      if (failures.size() >= MAX_KNOWN) {
        failures.clear(); // something else is wrong
      }
      Failures known = failures.computeIfAbsent(work, w -> new Failures(w));
      known.count++;
      known.cause = FailureCause.text(failure);
      save();
    }
  }

  /** Whether such work has failed before. */
  public synchronized boolean hasFailed(String work) {
    return failures.containsKey(work);
  }

  /** Why work other than a record's is given up; empty while it is worth another try. */
  public synchronized Optional<String> givenUp(String work) {
    return Optional.ofNullable(failures.get(work))
        .filter(known -> known.count >= MAX_FAILURES)
        .map(known -> String.format(Locale.ROOT, "failed %d times: %s", known.count, known.cause));
  }

  private Optional<Task> newestOfThisThread() {
    return tasks.values().stream()
        .filter(task -> task.thread == Thread.currentThread())
        .reduce((a, b) -> a.order > b.order ? a : b);
  }

  private void load(Path path) {
    try {
      for (String line : Files.readAllLines(path)) {
        String[] parts = line.split("\t", -1);
        if (parts.length == 4 && parts[0].equals(CAREFUL)) {
          Task task = new Task();
          task.careful = CAREFUL_RECORDS;
          task.suspect = parts[2].isEmpty() ? null : parts[2];
          task.cause = parts[3];
          tasks.put(parts[1], task);
        } else if (parts.length == 5 && parts[0].equals(FAILED)) {
          Failures known = new Failures(parts[1]);
          known.count = Integer.parseInt(parts[3]);
          known.cause = parts[4];
          failures.put(parts[2], known);
        }
      }
    } catch (IOException | NumberFormatException e) {
      LOG.warn("{} cannot be read; failures are counted afresh", path, e);
    }
  }

  private void save() {
    if (file.isEmpty()) {
      return;
    }
    List<String> lines = new ArrayList<>();
    tasks.forEach(
        (name, task) -> {
          if (task.careful > 0) {
            lines.add(
                String.join(
                    "\t", CAREFUL, name, task.suspect == null ? "" : task.suspect, task.cause));
          }
        });
    failures.forEach(
        (record, known) ->
            lines.add(
                String.join(
                    "\t", FAILED, known.task, record, Integer.toString(known.count), known.cause)));
    Path path = file.get();
    try {
      Files.createDirectories(path.toAbsolutePath().getParent());
      Path fresh = path.resolveSibling(path.getFileName() + ".new");
      Files.write(fresh, lines);
      Files.move(fresh, path, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      LOG.warn("{} cannot be written", path, e);
    }
  }
}
