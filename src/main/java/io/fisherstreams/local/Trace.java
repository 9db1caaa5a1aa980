package io.fisherstreams.local;

import ch.qos.logback.classic.pattern.ThrowableProxyConverter;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.IThrowableProxy;
import java.util.Optional;
import org.apache.kafka.streams.errors.MissingSourceTopicException;

/** The stack traces of log events. */
final class Trace {
  private final ThrowableProxyConverter converter = new ThrowableProxyConverter();

  void start() {
    converter.start();
  }

  /** The trace of an event; empty when it has none that says more than its message. */
  Optional<String> of(ILoggingEvent event) {
    return saysMore(event.getThrowableProxy())
        ? Optional.of(converter.convert(event))
        : Optional.empty();
  }

  /**
   * A broker that has just started may not know its topics yet: the threads that ask it are
   * replaced, and where they asked does not matter.
   */
  private static boolean saysMore(IThrowableProxy thrown) {
    return thrown != null
        && !thrown.getClassName().equals(MissingSourceTopicException.class.getName());
  }
}
