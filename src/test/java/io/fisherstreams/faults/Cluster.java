package io.fisherstreams.faults;

import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Topic;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.test.KafkaClusterTestKit;
import org.apache.kafka.common.test.TestKitNodes;
import org.apache.kafka.server.common.MetadataVersion;

/** Three brokers and a controller; every partition has three replicas and needs two of them. */
@SuppressWarnings("try") // closing it can be interrupted
final class Cluster implements AutoCloseable {
  static final short REPLICATION = 3;

  private final KafkaClusterTestKit kit;

  private Cluster(KafkaClusterTestKit kit) {
    this.kit = kit;
  }

  static Cluster start(Path directory) throws Exception {
    // A combined node cannot be stopped: its shutdown hangs.
    KafkaClusterTestKit.Builder builder =
        new KafkaClusterTestKit.Builder(
            new TestKitNodes.Builder()
                .setBaseDirectory(directory)
                .setBootstrapMetadataVersion(MetadataVersion.latestProduction())
                .setCombined(false)
                .setNumControllerNodes(1)
                .setNumBrokerNodes(REPLICATION)
                .build());
    config().forEach(builder::setConfigProp);
    KafkaClusterTestKit kit = builder.build();
    kit.format();
    kit.startup();
    kit.waitForReadyBrokers();
    return new Cluster(kit);
  }

  private static Map<String, String> config() {
    Map<String, String> config = new HashMap<>();
    config.put("default.replication.factor", Short.toString(REPLICATION));
    config.put("min.insync.replicas", "2");
    config.put("offsets.topic.replication.factor", Short.toString(REPLICATION));
    config.put("offsets.topic.num.partitions", "2");
    config.put("transaction.state.log.replication.factor", Short.toString(REPLICATION));
    config.put("transaction.state.log.min.isr", "2");
    config.put("transaction.state.log.num.partitions", "2");
    // The transaction of an instance that stalls is aborted a second after its time.
    config.put("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000");
    config.put("group.initial.rebalance.delay.ms", "0");
    config.put("group.min.session.timeout.ms", "1000");
    config.put("auto.create.topics.enable", "false");
    config.put("message.max.bytes", Integer.toString(PoolTopics.MAX_DEAD_LETTER_BYTES));
    config.put("replica.fetch.max.bytes", Integer.toString(PoolTopics.MAX_DEAD_LETTER_BYTES));
    config.put("log.cleaner.dedupe.buffer.size", "2097152");
    config.put("num.recovery.threads.per.data.dir", "2");
    return config;
  }

  String bootstrapServers() {
    return kit.bootstrapServers();
  }

  void stopBroker(int broker) {
    kit.brokers().get(broker).shutdown();
    kit.brokers().get(broker).awaitShutdown();
  }

  void startBroker(int broker) {
    kit.brokers().get(broker).startup();
  }

  /** Whether every replica of a pool's topics is in sync. */
  boolean isInSync(PoolTopics topics) {
    try (Admin admin = kit.admin()) {
      List<String> names = topics.all().stream().map(Topic::name).toList();
      return admin.describeTopics(names).allTopicNames().get().values().stream()
          .flatMap(topic -> topic.partitions().stream())
          .allMatch(partition -> partition.isr().size() == REPLICATION);
    } catch (ExecutionException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Override
  public void close() throws Exception {
    kit.close();
  }
}
