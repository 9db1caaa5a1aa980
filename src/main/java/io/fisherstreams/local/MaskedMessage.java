package io.fisherstreams.local;

import ch.qos.logback.classic.pattern.ClassicConverter;
import ch.qos.logback.classic.pattern.ThrowableProxyConverter;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.IThrowableProxy;
import ch.qos.logback.core.CoreConstants;
import io.fisherstreams.Secrets;
import org.apache.kafka.streams.errors.MissingSourceTopicException;

/** A log event's message and stack trace without secrets. */
public final class MaskedMessage extends ClassicConverter {
  private final ThrowableProxyConverter trace = new ThrowableProxyConverter();

  @Override
  public void start() {
    trace.start();
    super.start();
  }

  @Override
  public String convert(ILoggingEvent event) {
    String text = event.getFormattedMessage() + CoreConstants.LINE_SEPARATOR;
    return Secrets.mask(hasTrace(event.getThrowableProxy()) ? text + trace.convert(event) : text);
  }

  /**
   * Whether a trace says more than the message. A broker that has just started may not know its
   * topics yet: the threads that ask it are replaced, and where they asked does not matter.
   */
  private static boolean hasTrace(IThrowableProxy thrown) {
    return thrown != null
        && !thrown.getClassName().equals(MissingSourceTopicException.class.getName());
  }
}
