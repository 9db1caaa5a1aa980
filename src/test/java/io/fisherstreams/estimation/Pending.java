package io.fisherstreams.estimation;

import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Role;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;

/** Models without tensors, and records of topic {@code examples} of ten bytes each. */
final class Pending {
  private Pending() {}

  /** Version 1 of a model. */
  static EstimatedModel model(String name, String estimator, int batchSize, long examples) {
    return EstimatedModel.of(
        ModelManifest.newBuilder()
            .setModel(name)
            .setVersion(1)
            .setRole(Role.FINE_TUNED)
            .setParameters(List.of())
            .setExamples(examples)
            .setEstimation(new Estimation(estimator, 1, 0L, batchSize, List.of(), 256))
            .build());
  }

  /** A record whose example waits. */
  static PendingExample example(EstimatedModel model, int partition, long offset, long index) {
    return PendingExample.of(
        source(partition, offset), model, new Example("topic", index, 0, Map.of()));
  }

  /** A record that is rejected. */
  static PendingExample rejected(int partition, long offset, String reason) {
    return PendingExample.rejected(source(partition, offset), rejection(reason));
  }

  /** Why an example is rejected. */
  static Rejection rejection(String reason) {
    return new Rejection(RejectionKind.EXAMPLE, reason);
  }

  private static ConsumerRecord<byte[], byte[]> source(int partition, long offset) {
    return new ConsumerRecord<>(
        "examples",
        partition,
        offset,
        0L,
        TimestampType.CREATE_TIME,
        0,
        10,
        null,
        new byte[10],
        new RecordHeaders(),
        Optional.empty());
  }
}
