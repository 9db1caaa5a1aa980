package io.fisherstreams.local;

import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.encoder.Encoder;
import ch.qos.logback.core.encoder.EncoderBase;

/** The log as text for people, or as JSON for programs. */
public final class LogFormat extends EncoderBase<ILoggingEvent> {
  private String format = "text";
  private String pattern = "%msg%n";
  private Encoder<ILoggingEvent> encoder;

  /** {@code text} or {@code json}. */
  public void setFormat(String name) {
    format = name;
  }

  /** Logback's pattern of the text. */
  public void setPattern(String text) {
    pattern = text;
  }

  @Override
  public void start() {
    if (format.equals("json")) {
      encoder = new JsonLog();
    } else {
      if (!format.equals("text")) {
        addError("fisherstreams.log.format is '" + format + "', expected text or json");
      }
      PatternLayoutEncoder text = new PatternLayoutEncoder();
      text.setPattern(pattern);
      encoder = text;
    }
    encoder.setContext(getContext());
    encoder.start();
    super.start();
  }

  @Override
  public byte[] headerBytes() {
    return encoder.headerBytes();
  }

  @Override
  public byte[] encode(ILoggingEvent event) {
    return encoder.encode(event);
  }

  @Override
  public byte[] footerBytes() {
    return encoder.footerBytes();
  }
}
