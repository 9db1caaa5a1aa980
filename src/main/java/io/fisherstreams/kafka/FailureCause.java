package io.fisherstreams.kafka;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.common.errors.ApplicationRecoverableException;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.TransactionAbortedException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.streams.errors.LockException;
import org.apache.kafka.streams.errors.StreamsException;
import org.apache.kafka.streams.errors.TaskCorruptedException;
import org.apache.kafka.streams.errors.TaskMigratedException;

/** Whether a failure may be a record's fault. */
public final class FailureCause {
  /** Failures of brokers, network, disk, rights and settings, and of what follows from them. */
  private static final List<Class<? extends Throwable>> TRANSIENT =
      List.of(
          RetriableException.class,
          ApplicationRecoverableException.class,
          AuthenticationException.class,
          AuthorizationException.class,
          ProducerFencedException.class,
          FencedInstanceIdException.class,
          OutOfOrderSequenceException.class,
          TransactionAbortedException.class,
          CommitFailedException.class,
          RebalanceInProgressException.class,
          TaskMigratedException.class,
          TaskCorruptedException.class,
          LockException.class,
          InterruptException.class,
          WakeupException.class,
          InterruptedException.class,
          IOException.class,
          UncheckedIOException.class,
          InvalidInput.class);

  private static final Pattern SENDER = Pattern.compile(" for task (\\d+_\\d+) due to:");

  private static final int MAX_TEXT = 500;

  private FailureCause() {}

  /** Whether another try may succeed, or a person must act; then no record is to blame. */
  public static boolean isTransient(Throwable failure) {
    List<Throwable> chain = chain(failure);
    if (chain.stream().anyMatch(FailureCause::isFileTooLarge)) {
      return false; // a record that lies beyond what a file system can hold
    }
    return chain.stream()
        .anyMatch(cause -> TRANSIENT.stream().anyMatch(type -> type.isInstance(cause)));
  }

  private static boolean isFileTooLarge(Throwable cause) {
    return String.valueOf(cause.getMessage()).contains("File too large");
  }

  /**
   * The task whose record could not be sent; empty for another failure. All tasks of a thread share
   * a producer, and Kafka throws the failure at the next record of any of them.
   */
  static Optional<String> sender(Throwable failure) {
    return chain(failure).stream()
        .filter(StreamsException.class::isInstance)
        .map(cause -> SENDER.matcher(String.valueOf(cause.getMessage())))
        .filter(Matcher::find)
        .map(found -> found.group(1))
        .findFirst();
  }

  /** A failure and its causes. */
  static List<Throwable> chain(Throwable failure) {
    List<Throwable> chain = new ArrayList<>();
    for (Throwable cause = failure;
        cause != null && !chain.contains(cause);
        cause = cause.getCause()) {
      chain.add(cause);
    }
    return chain;
  }

  /** The root cause in one short line. */
  public static String text(Throwable failure) {
    List<Throwable> chain = chain(failure);
    Throwable root = chain.get(chain.size() - 1);
    String text = root.getMessage() == null ? root.toString() : root.getMessage();
    String line = text.replaceAll("\\s+", " ");
    return line.substring(0, Math.min(line.length(), MAX_TEXT));
  }
}
