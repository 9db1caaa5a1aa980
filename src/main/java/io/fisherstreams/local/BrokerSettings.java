package io.fisherstreams.local;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * Kafka's settings for one node on a disk of its own: tuned for a few topics whose records are 1 to
 * 2 MiB large and for two processor cores that the stages use as well.
 */
final class BrokerSettings {
  static final int NODE_ID = 1;
  static final String CONTROLLER_LISTENER = "CONTROLLER";

  private BrokerSettings() {}

  /**
   * The settings, as text.
   *
   * @param data where the node keeps its logs
   * @param host where it listens
   * @param maxRecordBytes the largest record batch that it accepts, in bytes
   */
  static Map<String, Object> of(
      Path data, String host, int clientPort, int controllerPort, int maxRecordBytes) {
    Map<String, Object> s = new HashMap<>();
    s.put("process.roles", "broker,controller");
    s.put("node.id", NODE_ID);
    s.put("controller.quorum.voters", NODE_ID + "@" + host + ":" + controllerPort);
    s.put(
        "listeners",
        "CLIENTS://" + host + ":" + clientPort + ",CONTROLLER://" + host + ":" + controllerPort);
    s.put("advertised.listeners", "CLIENTS://" + host + ":" + clientPort);
    s.put("listener.security.protocol.map", "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT");
    s.put("inter.broker.listener.name", "CLIENTS");
    s.put("controller.listener.names", "CONTROLLER");
    s.put("log.dirs", data.toString());

    s.put("message.max.bytes", maxRecordBytes);
    s.put("replica.fetch.max.bytes", maxRecordBytes);
    s.put("auto.create.topics.enable", false);

    // One node: nothing to replicate to. Few partitions, since each costs files and start-up time.
    s.put("offsets.topic.replication.factor", 1);
    s.put("offsets.topic.num.partitions", 1);
    s.put("transaction.state.log.replication.factor", 1);
    s.put("transaction.state.log.min.isr", 1);
    s.put("transaction.state.log.num.partitions", 2);
    s.put("share.coordinator.state.topic.replication.factor", 1);
    s.put("share.coordinator.state.topic.min.isr", 1);
    s.put("share.coordinator.state.topic.num.partitions", 1);
    s.put("group.initial.rebalance.delay.ms", 0);
    // The successor of a killed stage waits at most this long to join the group.
    s.put("group.min.session.timeout.ms", 1000);
    // A pool that nobody opened for months continues where it stopped.
    s.put("offsets.retention.minutes", 5 * 365 * 24 * 60);

    // The kernel sizes the socket buffers: with Kafka's own 100 KiB a record of a mebibyte is many
    // round trips, and a fixed size is capped where autotuning is not.
    s.put("socket.send.buffer.bytes", -1);
    s.put("socket.receive.buffer.bytes", -1);

    // Two cores are shared with the stages.
    s.put("num.network.threads", 1);
    s.put("num.io.threads", 2);
    s.put("background.threads", 2);
    s.put("group.coordinator.threads", 1);
    s.put("share.coordinator.threads", 1);
    s.put("num.recovery.threads.per.data.dir", 2);
    // No reader for them, and registering JMX beans slows the start.
    s.put("metric.reporters", "");

    // Deleted records free their disk space within seconds: segments are small, checked often and
    // deleted at once.
    s.put("log.segment.bytes", EmbeddedBroker.SEGMENT_BYTES);
    s.put("log.retention.check.interval.ms", 10_000);
    s.put("log.segment.delete.delay.ms", 1_000);
    // A topic with data less than ten minutes old isn't compacted, so that a merge under way isn't
    // slowed; 2 MiB hold the offsets of 78,000 keys at a time.
    s.put("log.cleaner.threads", 1);
    s.put("log.cleaner.dedupe.buffer.size", 2 << 20);
    s.put("log.cleaner.min.compaction.lag.ms", 600_000);
    s.put("log.cleaner.io.max.bytes.per.second", 64e6);
    // Kafka parses text into the type it wants, but accepts no int for a short.
    s.replaceAll((name, value) -> value.toString());
    return s;
  }
}
