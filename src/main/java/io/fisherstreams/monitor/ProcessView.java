package io.fisherstreams.monitor;

import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.metrics.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.util.Collection;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.DoubleBinaryOperator;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/** What the metrics of one process say, as JSON: for people who have no Prometheus at hand. */
final class ProcessView {
  private static final String REBALANCES = "kafka.consumer.coordinator.rebalance.total";
  private static final String RECORD_ERRORS = "kafka.producer.record.error.total";
  private static final String POLL_GAP = "kafka.consumer.time.between.poll.max";

  private final MeterRegistry registry;

  ProcessView(MeterRegistry registry) {
    this.registry = registry;
  }

  /** Writes the fields that all stages of the process share. */
  void write(JsonGenerator json) throws IOException {
    json.writeArrayFieldStart("servers");
    for (String server : values(Meter.SERVER_ANSWERS)) {
      json.writeStartObject();
      json.writeStringField("server", server);
      json.writeBooleanField("answers", sum(Meter.SERVER_ANSWERS.id(), "server", server) > 0);
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeObjectFieldStart("memory");
    number(json, "heap_bytes", sum("jvm.memory.used", "area", "heap"));
    number(json, "heap_max_bytes", sum("jvm.memory.max", "area", "heap"));
    number(json, "direct_bytes", sum("jvm.buffer.memory.used", "id", "direct"));
    number(json, "stores_bytes", sum(Meter.ROCKSDB_MEMORY.id()));
    number(json, "resident_bytes", sum(Meter.RESIDENT_MEMORY.id()));
    json.writeEndObject();
    json.writeObjectFieldStart("disk");
    number(json, "free_bytes", sum("disk.free"));
    number(json, "total_bytes", sum("disk.total"));
    json.writeEndObject();
    json.writeObjectFieldStart("files");
    number(json, "open", sum("process.files.open"));
    number(json, "max", sum("process.files.max"));
    json.writeEndObject();
    json.writeObjectFieldStart("kafka");
    number(json, "rebalances", sum(REBALANCES));
    number(json, "record_errors", sum(RECORD_ERRORS));
    number(json, "longest_poll_gap_millis", fold(POLL_GAP, Math::max));
    json.writeEndObject();
    json.writeArrayFieldStart("webhooks");
    for (String webhook : values(Meter.WEBHOOK_WAITING)) {
      json.writeStartObject();
      json.writeStringField("webhook", webhook);
      for (String outcome : List.of("accepted", "failed")) {
        number(
            json,
            outcome,
            sum(Meter.WEBHOOK_ATTEMPTS.id(), "webhook", webhook, "outcome", outcome));
      }
      number(json, "waiting_seconds", sum(Meter.WEBHOOK_WAITING.id(), "webhook", webhook));
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  /** Writes what is counted of one stage. */
  void writeStage(JsonGenerator json, String stage) throws IOException {
    number(json, "replaced_threads", sum(Meter.REPLACED_THREADS.id(), "stage", stage));
    number(json, "restore_remaining_records", sum(Meter.RESTORE_REMAINING.id(), "stage", stage));
    number(json, "rejected_records", sum(Meter.REJECTED_RECORDS.id(), "stage", stage));
  }

  /** The values of a meter's only tag. */
  private SortedSet<String> values(Meter meter) {
    String tag = meter.tags().get(0);
    return registry.find(meter.id()).meters().stream()
        .map(found -> found.getId().getTag(tag))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private double sum(String meter, String... tags) {
    return fold(meter, Double::sum, tags);
  }

  /** Of all series of a meter with these tags; not a number without any. */
  private double fold(String meter, DoubleBinaryOperator fold, String... tags) {
    Collection<io.micrometer.core.instrument.Meter> found =
        registry.find(meter).tags(tags).meters();
    return found.stream()
        .flatMap(series -> StreamSupport.stream(series.measure().spliterator(), false))
        .mapToDouble(io.micrometer.core.instrument.Measurement::getValue)
        .filter(value -> !Double.isNaN(value))
        .reduce(fold)
        .orElse(Double.NaN);
  }

  private static void number(JsonGenerator json, String name, double value) throws IOException {
    if (Double.isFinite(value) && value == Math.rint(value)) {
      json.writeNumberField(name, (long) value);
    } else if (Double.isFinite(value)) {
      json.writeNumberField(name, value);
    } else {
      json.writeNullField(name);
    }
  }
}
