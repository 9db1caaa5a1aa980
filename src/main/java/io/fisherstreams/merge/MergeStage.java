package io.fisherstreams.merge;

import io.fisherstreams.record.KafkaSettings;
import io.fisherstreams.record.PoolAdmin;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RocksDbMemory;
import io.fisherstreams.record.StageRunner;
import io.fisherstreams.record.StreamsOptions;
import io.fisherstreams.record.TopicModelCatalog;
import java.util.List;
import org.apache.kafka.clients.admin.Admin;

/** The merge stage on a real cluster. */
public final class MergeStage {
  private MergeStage() {}

  /** An instance that is not started; refuses topics that cannot serve. */
  public static StageRunner create(KafkaSettings kafka, PoolTopics topics, StreamsOptions options) {
    int partitions;
    try (Admin admin = kafka.admin()) {
      partitions = new PoolAdmin(admin, topics).check();
    }
    PayloadStore store = PayloadStore.open(options.stateDirectory().resolve("payloads"));
    TopicModelCatalog catalog = new TopicModelCatalog(topics.models(), kafka.newTextKeyConsumer());
    RocksDbMemory memory = new RocksDbMemory();
    MergeTopology topology =
        new MergeTopology(
            topics, partitions, catalog, store, new TopicPayloadLog(kafka::newConsumer));
    return new StageRunner(
        MergeTopology.STAGE,
        topology.get(),
        kafka.streams(topics, MergeTopology.STAGE, options, memory),
        List.of(store, catalog, memory));
  }
}
