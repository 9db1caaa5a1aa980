package io.fisherstreams.local;

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.encoder.EncoderBase;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.Secrets;
import io.fisherstreams.record.Stage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.LoggerFactory;
import org.slf4j.event.KeyValuePair;

/**
 * Log events as JSON, one object a line, without secrets: {@code time}, {@code level}, {@code
 * logger}, {@code thread}, {@code message}, {@code trace} if there is one, {@code pool} and {@code
 * stage} if they are known, and what the event names besides, such as {@code model}, {@code
 * version} and {@code release}.
 */
public final class JsonLog extends EncoderBase<ILoggingEvent> {
  /** The logging context's property with the name of the pool. */
  static final String POOL = "pool";

  private static final JsonFactory FACTORY = new JsonFactory();

  // A stream thread is named after its application id and a random id, a follower after its stage.
  private static final Pattern STREAM_THREAD =
      Pattern.compile(
          "-("
              + Stream.of(Stage.values()).map(Stage::text).collect(Collectors.joining("|"))
              + ")-[0-9a-f]{8}-[0-9a-f]{4}-.*");

  private static final Pattern FOLLOWER = Pattern.compile("^(gate|webhook-.+?)(?:-worker)?$");

  private static final Map<String, Stage> PACKAGES =
      Map.of(
          "estimation", Stage.GRADIENT,
          "merge", Stage.MERGE,
          "coordinator", Stage.COORDINATOR,
          "gate", Stage.GATE,
          "api", Stage.API);

  private static final Pattern PACKAGE = Pattern.compile("^io\\.fisherstreams\\.([a-z]+)\\..*");

  private final Trace trace = new Trace();

  /** Names the pool of this process in every event from now on. */
  public static void namePool(String pool) {
    ((LoggerContext) LoggerFactory.getILoggerFactory()).putProperty(POOL, pool);
  }

  @Override
  public void start() {
    trace.start();
    super.start();
  }

  @Override
  public byte[] headerBytes() {
    return new byte[0];
  }

  @Override
  public byte[] footerBytes() {
    return new byte[0];
  }

  @Override
  public byte[] encode(ILoggingEvent event) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = FACTORY.createGenerator(bytes)) {
      json.writeStartObject();
      json.writeStringField("time", event.getInstant().toString());
      json.writeStringField("level", event.getLevel().toString());
      json.writeStringField("logger", event.getLoggerName());
      json.writeStringField("thread", event.getThreadName());
      String pool = event.getLoggerContextVO().getPropertyMap().get(POOL);
      if (pool != null) {
        json.writeStringField("pool", pool);
      }
      Optional<String> stage = stage(event.getThreadName(), event.getLoggerName());
      if (stage.isPresent()) {
        json.writeStringField("stage", stage.get());
      }
      writeNamed(json, event.getKeyValuePairs());
      json.writeStringField("message", Secrets.mask(event.getFormattedMessage()));
      Optional<String> said = trace.of(event);
      if (said.isPresent()) {
        json.writeStringField("trace", Secrets.mask(said.get()));
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    bytes.write('\n');
    return bytes.toByteArray();
  }

  private static void writeNamed(JsonGenerator json, List<KeyValuePair> named) throws IOException {
    if (named == null) {
      return;
    }
    for (KeyValuePair pair : named) {
      if (pair.value instanceof Long number) {
        json.writeNumberField(pair.key, number);
      } else {
        json.writeStringField(pair.key, Secrets.mask(String.valueOf(pair.value)));
      }
    }
  }

  /** The stage of a thread, else of a logger. */
  static Optional<String> stage(String thread, String logger) {
    Matcher streams = STREAM_THREAD.matcher(thread);
    if (streams.find()) {
      return Optional.of(streams.group(1));
    }
    Matcher follower = FOLLOWER.matcher(thread);
    if (follower.matches()) {
      return Optional.of(follower.group(1));
    }
    Matcher named = PACKAGE.matcher(logger);
    return named.matches()
        ? Optional.ofNullable(PACKAGES.get(named.group(1))).map(Stage::text)
        : Optional.empty();
  }
}
