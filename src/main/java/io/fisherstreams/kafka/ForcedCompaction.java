package io.fisherstreams.kafka;

import static org.apache.kafka.common.config.TopicConfig.MAX_COMPACTION_LAG_MS_CONFIG;
import static org.apache.kafka.common.config.TopicConfig.MIN_CLEANABLE_DIRTY_RATIO_CONFIG;
import static org.apache.kafka.common.config.TopicConfig.MIN_COMPACTION_LAG_MS_CONFIG;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.CleanUp;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.config.ConfigResource;

/**
 * Settings of topics under which the brokers compact them at once, up to the segment that is
 * written to. {@link #close()} gives each topic its own settings back, and so does the end of the
 * process on SIGINT and SIGTERM. What {@code kill -9} leaves is reset by the next one.
 */
final class ForcedCompaction implements AutoCloseable {
  // The longest lag also bounds the age of the segment that is written to.
  private static final Map<String, String> AT_ONCE =
      Map.of(
          MIN_COMPACTION_LAG_MS_CONFIG, "0",
          MAX_COMPACTION_LAG_MS_CONFIG, "1",
          MIN_CLEANABLE_DIRTY_RATIO_CONFIG, "0.0");

  private final Admin admin;
  private final Map<ConfigResource, Collection<AlterConfigOp>> before = new HashMap<>();
  private final CleanUp onStop;

  /**
   * Changes the settings of topics.
   *
   * @param topics by name: the settings that the pool needs, which are not taken from the topic
   */
  ForcedCompaction(Admin admin, Map<String, Map<String, String>> topics) {
    this.admin = admin;
    Map<ConfigResource, Collection<AlterConfigOp>> forced = new HashMap<>();
    Map<ConfigResource, Map<String, String>> resources = new HashMap<>();
    topics.forEach(
        (topic, needed) ->
            resources.put(new ConfigResource(ConfigResource.Type.TOPIC, topic), needed));
    Map<ConfigResource, Config> found = get(admin.describeConfigs(resources.keySet()).all());
    resources.forEach(
        (resource, needed) -> {
          List<AlterConfigOp> set = new ArrayList<>();
          List<AlterConfigOp> reset = new ArrayList<>();
          AT_ONCE.forEach(
              (name, value) -> {
                set.add(new AlterConfigOp(new ConfigEntry(name, value), OpType.SET));
                reset.add(reset(name, needed.get(name), found.get(resource).get(name)));
              });
          forced.put(resource, set);
          before.put(resource, reset);
        });
    onStop = CleanUp.onStop("the settings of " + topics.keySet(), this::restore);
    try {
      get(admin.incrementalAlterConfigs(forced).all());
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private static AlterConfigOp reset(String name, String needed, ConfigEntry found) {
    boolean isOwn =
        found.source() == ConfigSource.DYNAMIC_TOPIC_CONFIG
            && !AT_ONCE.get(name).equals(found.value());
    if (needed == null && !isOwn) {
      return new AlterConfigOp(new ConfigEntry(name, ""), OpType.DELETE);
    }
    return new AlterConfigOp(
        new ConfigEntry(name, needed != null ? needed : found.value()), OpType.SET);
  }

  /** Whether a setting of a topic has its value only because the topic is compacted now. */
  static boolean isForced(Config topic, String name) {
    return AT_ONCE.containsKey(name)
        && AT_ONCE.entrySet().stream()
            .allMatch(forced -> forced.getValue().equals(topic.get(forced.getKey()).value()));
  }

  private void restore() {
    get(admin.incrementalAlterConfigs(before).all());
  }

  @Override
  public void close() {
    restore();
    onStop.close();
  }

  private static <T> T get(KafkaFuture<T> future) {
    try {
      return future.get();
    } catch (ExecutionException e) {
      throw new InvalidInput(
          "Kafka does not change or show the topics' settings: " + e.getCause().getMessage(),
          e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KafkaException("interrupted", e);
    }
  }
}
