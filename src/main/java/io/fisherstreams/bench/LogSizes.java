package io.fisherstreams.bench;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;

/** The sizes of topics' logs. */
final class LogSizes {
  private LogSizes() {}

  /** Bytes of every log of a cluster, all replicas together. */
  static Map<TopicPartition, Long> of(Admin admin) throws Exception {
    List<Integer> nodes = admin.describeCluster().nodes().get().stream().map(Node::id).toList();
    Map<TopicPartition, Long> bytes = new HashMap<>();
    for (Map<String, LogDirDescription> directories :
        admin.describeLogDirs(nodes).allDescriptions().get().values()) {
      for (LogDirDescription directory : directories.values()) {
        directory
            .replicaInfos()
            .forEach((partition, replica) -> bytes.merge(partition, replica.size(), Long::sum));
      }
    }
    return bytes;
  }
}
