package io.fisherstreams.view;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RecordJson;
import io.fisherstreams.record.Topic;
import io.fisherstreams.text.PrintableText;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.Optional;
import org.apache.avro.generic.IndexedRecord;
import org.apache.kafka.common.errors.SerializationException;

/** A dead letter as JSON. */
public final class DeadLetterJson {
  private DeadLetterJson() {}

  /** One line, without the value. */
  public static String line(DeadLetter letter) {
    return text(letter, false, json -> {});
  }

  /** Several lines, with the value. */
  public static String whole(DeadLetter letter, PoolTopics topics) {
    return text(
        letter,
        true,
        json -> {
          json.writeFieldName("value");
          writeValue(json, letter, topics);
        });
  }

  /** The value alone: decoded if it is what its topic has, else its first bytes. */
  public static String value(DeadLetter letter, PoolTopics topics) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(text).useDefaultPrettyPrinter()) {
      writeValue(json, letter, topics);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString();
  }

  private static void writeValue(JsonGenerator json, DeadLetter letter, PoolTopics topics)
      throws IOException {
    Optional<IndexedRecord> record = record(letter, topics);
    if (record.isPresent()) {
      RecordJson.write(json, record.get());
    } else if (letter.value() == null) {
      json.writeNull();
    } else {
      RecordJson.write(json, letter.value());
    }
  }

  private interface Content {
    void write(JsonGenerator json) throws IOException;
  }

  private static String text(DeadLetter letter, boolean isPretty, Content more) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
      if (isPretty) {
        json.useDefaultPrettyPrinter();
      }
      json.writeStartObject();
      write(json, letter);
      more.write(json);
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString();
  }

  /** Writes its fields, without the value, into the generator's current object. */
  public static void write(JsonGenerator json, DeadLetter letter) throws IOException {
    json.writeNumberField("offset", letter.offset());
    json.writeStringField("time", letter.at().toString());
    json.writeStringField("reason", letter.reason());
    json.writeStringField("kind", letter.kind().text());
    json.writeStringField("stage", letter.stage());
    json.writeObjectFieldStart("origin");
    json.writeStringField("topic", letter.topic());
    writeNumber(json, "partition", letter.partition());
    writeNumber(json, "offset", letter.origin());
    json.writeStringField("key", PrintableText.key(letter.key()));
    json.writeEndObject();
    if (letter.size().isPresent()) {
      writeNumber(json, "size", letter.size().get());
      json.writeStringField("sha256", letter.sha256().orElse(""));
    }
  }

  /** A header's number; anybody may write a header, so it may be none. */
  private static void writeNumber(JsonGenerator json, String name, String text) throws IOException {
    if (text.matches("[0-9]{1,18}")) {
      json.writeNumberField(name, Long.parseLong(text));
    } else {
      json.writeStringField(name, text);
    }
  }

  private static Optional<IndexedRecord> record(DeadLetter letter, PoolTopics topics) {
    for (Topic<?, ?> topic : topics.all()) {
      if (topic.name().equals(letter.topic()) && letter.value() != null) {
        try {
          Object value = topic.value().deserializer().deserialize(topic.name(), letter.value());
          return value instanceof IndexedRecord record ? Optional.of(record) : Optional.empty();
        } catch (SerializationException e) {
          return Optional.empty(); // which is why it was rejected
        }
      }
    }
    return Optional.empty();
  }
}
