package io.fisherstreams.local;

import ch.qos.logback.classic.pattern.ClassicConverter;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.CoreConstants;
import io.fisherstreams.Secrets;

/** A log event's message and stack trace without secrets. */
public final class MaskedMessage extends ClassicConverter {
  private final Trace trace = new Trace();

  @Override
  public void start() {
    trace.start();
    super.start();
  }

  @Override
  public String convert(ILoggingEvent event) {
    String text = event.getFormattedMessage() + CoreConstants.LINE_SEPARATOR;
    return Secrets.mask(text + trace.of(event).orElse(""));
  }
}
