package io.fisherstreams.estimation;

import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.kafka.FailureCause;
import io.fisherstreams.record.ExampleInput;
import io.fisherstreams.record.ExampleKey;
import io.fisherstreams.record.LabelledExample;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.tensor.DType;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.errors.SerializationException;

/** Decodes records of topic {@code examples}, and says why a record is rejected. */
final class ExampleDecoder {
  private final PoolTopics topics;
  private final ModelCatalog catalog;
  private final int partitions;

  ExampleDecoder(PoolTopics topics, ModelCatalog catalog, int partitions) {
    this.topics = topics;
    this.catalog = catalog;
    this.partitions = partitions;
  }

  /** The record as an example of a current model version; otherwise rejected with the reason. */
  PendingExample read(ConsumerRecord<byte[], byte[]> record) {
    try {
      return accept(record);
    } catch (RejectedRecord e) {
      return PendingExample.rejected(record, e.rejection());
    } catch (SerializationException e) {
      return PendingExample.rejected(record, Rejection.unreadable(e));
    } catch (RuntimeException | StackOverflowError e) {
      if (FailureCause.isTransient(e)) {
        throw e;
      }
      return PendingExample.rejected(
          record,
          new Rejection(RejectionKind.UNREADABLE, "it cannot be decoded: " + FailureCause.text(e)));
    }
  }

  private PendingExample accept(ConsumerRecord<byte[], byte[]> record) {
    if (record.key() == null) {
      throw new RejectedRecord(RejectionKind.KEY, "the record has no key");
    }
    LabelledExample value =
        topics.examples().value().deserializer().deserialize(record.topic(), record.value());
    if (value == null) {
      throw new RejectedRecord(RejectionKind.EXAMPLE, "the record has no value");
    }
    ModelVersion version = new ModelVersion(value.getModel(), value.getVersion());
    EstimatedModel model =
        EstimatedModel.of(ModelCatalog.requireCurrent(catalog.latest(version), version));
    model.requireTaken(value.getIndex());
    ExampleKey key = new ExampleKey(version, value.getIndex());
    String found = new String(record.key(), StandardCharsets.UTF_8);
    if (!key.toString().equals(found)) {
      throw new RejectedRecord(RejectionKind.KEY, "key is '" + found + "', expected '" + key + "'");
    }
    int home = model.partition(value.getIndex(), partitions);
    if (home != record.partition()) {
      throw new RejectedRecord(
          RejectionKind.PARTITION,
          String.format(
              Locale.ROOT,
              "%s belongs to partition %d of %d, not to %d",
              key,
              home,
              partitions,
              record.partition()));
    }
    return PendingExample.of(record, model, example(value, version, record.topic()));
  }

  private static Example example(LabelledExample value, ModelVersion version, String topic) {
    Map<String, InputTensor> inputs = new HashMap<>();
    for (ExampleInput input : value.getInputs()) {
      if (inputs.put(input.getName(), tensor(value, input)) != null) {
        throw new RejectedRecord(
            RejectionKind.EXAMPLE,
            String.format(
                Locale.ROOT,
                "example %d has the input %s twice",
                value.getIndex(),
                input.getName()));
      }
    }
    return new Example(topic + ": " + version, value.getIndex(), value.getLabel(), inputs);
  }

  private static InputTensor tensor(LabelledExample value, ExampleInput input) {
    try {
      DType dtype =
          DType.of(input.getDtype())
              .orElseThrow(() -> new IllegalArgumentException("unknown dtype " + input.getDtype()));
      if (input.getShape().stream().anyMatch(size -> size < 0)) {
        throw new IllegalArgumentException("negative size in shape " + input.getShape());
      }
      return new InputTensor(dtype, input.getShape(), input.getData().slice());
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new RejectedRecord(
          RejectionKind.EXAMPLE,
          String.format(
              Locale.ROOT,
              "example %d: input %s: %s",
              value.getIndex(),
              input.getName(),
              e.getMessage()));
    }
  }
}
