package io.fisherstreams.merge;

import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.kafka.RocksDbMemory;
import io.fisherstreams.kafka.StageRunner;
import io.fisherstreams.kafka.StreamsOptions;
import io.fisherstreams.kafka.TopicModelCatalog;
import io.fisherstreams.kernel.Kernels;
import io.fisherstreams.merge.payload.PayloadStore;
import io.fisherstreams.merge.payload.TopicPayloadLog;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.streams.StreamsConfig;

/** The merge stage on a real cluster. */
public final class MergeStage {
  private MergeStage() {}

  /**
   * An instance that is not started; rejects topics with the wrong settings, and a kernel that
   * cannot be used on this machine.
   */
  public static StageRunner create(
      KafkaSettings kafka, PoolTopics topics, StreamsOptions options, MergeOptions own) {
    MergeKernel.Factory kernels = Kernels.of(own.kernel(), options.threads());
    int partitions;
    try (Admin admin = kafka.admin()) {
      partitions = new PoolAdmin(admin, topics).check();
    }
    PayloadStore store = PayloadStore.open(options.stateDirectory().resolve("payloads"));
    TopicModelCatalog catalog = TopicModelCatalog.open(kafka, topics.models());
    RocksDbMemory memory = new RocksDbMemory(Stage.MERGE);
    FailedRecords failures = FailedRecords.in(options.stateDirectory());
    MergeTopology topology =
        new MergeTopology(
            topics,
            partitions,
            catalog,
            store,
            new TopicPayloadLog(kafka::newReader),
            own.localPayloads(),
            failures,
            kernels);
    Map<String, Object> config = kafka.streams(topics, Stage.MERGE, options, memory);
    // as long as Kafka Streams keeps the stores of a reassigned partition
    Object keep =
        StreamsConfig.configDef().parse(config).get(StreamsConfig.STATE_CLEANUP_DELAY_MS_CONFIG);
    store.cleanAfter(Duration.ofMillis((Long) keep));
    return new StageRunner(
        Stage.MERGE.text(), topology.get(), config, failures, List.of(store, catalog, memory));
  }
}
