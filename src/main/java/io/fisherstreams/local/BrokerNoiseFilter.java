package io.fisherstreams.local;

import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.IThrowableProxy;
import ch.qos.logback.core.filter.Filter;
import ch.qos.logback.core.spi.FilterReply;
import io.fisherstreams.files.CleanUp;
import java.nio.file.NoSuchFileException;
import org.apache.kafka.common.errors.NotControllerException;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;

/**
 * Drops the warnings that a healthy embedded broker and healthy stages log during normal work, so
 * that each warning that a user sees needs attention.
 */
public final class BrokerNoiseFilter extends Filter<ILoggingEvent> {
  @Override
  public FilterReply decide(ILoggingEvent event) {
    return isNoise(event) ? FilterReply.DENY : FilterReply.NEUTRAL;
  }

  private static boolean isNoise(ILoggingEvent event) {
    if (CleanUp.isStopping() && !event.getLoggerName().equals(CleanUp.class.getName())) {
      return true; // what fails now fails because the process is being stopped
    }
    String message = event.getMessage();
    if (message == null) {
      return false;
    }
    return switch (event.getLoggerName()) {
      // Each first start of a directory.
      case "org.apache.kafka.controller.QuorumController" ->
          event.getFormattedMessage().contains("Performing controller activation");
      // Each stop: the broker closes its own client twice.
      case "org.apache.kafka.clients.NetworkClient" ->
          message.contains("Attempting to close NetworkClient that has already been closed");
      // A topic deleted soon after one of its segments was rolled.
      case "org.apache.kafka.common.utils.Utils" ->
          message.startsWith("Failed to flush file")
              && isCausedBy(event, NoSuchFileException.class);
      // A transaction begins while the markers of the one before are still being written: the
      // broker asks for another try, and the producer makes it.
      case "org.apache.kafka.clients.producer.internals.Sender" ->
          message.contains("retrying") && isTransactionRace(event.getFormattedMessage());
      case "kafka.server.ReplicaManager" -> isCausedBy(event, OutOfOrderSequenceException.class);
      // A start: the broker registers before the controller leads, and tries again until it does.
      case "kafka.server.ControllerApis" -> isCausedBy(event, NotControllerException.class);
      // A start after a kill: the stores are restored, which RestoreLog says.
      case "org.apache.kafka.streams.processor.internals.TaskManager",
              "org.apache.kafka.streams.processor.internals.StreamThread" ->
          event.getFormattedMessage().contains("corrupted");
      default -> false;
    };
  }

  private static boolean isCausedBy(ILoggingEvent event, Class<? extends Exception> kind) {
    for (IThrowableProxy each = event.getThrowableProxy(); each != null; each = each.getCause()) {
      if (each.getClassName().equals(kind.getName())) {
        return true;
      }
    }
    return false;
  }

  private static boolean isTransactionRace(String message) {
    return message.contains("CONCURRENT_TRANSACTIONS")
        || message.contains("OUT_OF_ORDER_SEQUENCE_NUMBER");
  }
}
