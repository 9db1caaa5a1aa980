package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.common.config.ConfigResource;
import org.assertj.core.api.Assertions;

/**
 * A topic gets another record limit, and one another number of partitions: an instance rejects to
 * start, and starts once what it said has been done.
 */
record WrongTopics() implements Fault {
  private static final Pattern ADD_CONFIG =
      Pattern.compile("kafka-configs.sh --alter .*--entity-name (\\S+) --add-config (\\S+)=(\\S+)");

  @Override
  public String name() {
    return "topics with another limit and another partition count";
  }

  @Override
  public void begin(FaultedPool pool) throws Exception {
    pool.merge(1).stop();
    alter(pool, pool.topics().gradientBatches().name(), "max.message.bytes", "1048588");
    String rejection = rejection(pool);
    Matcher command = ADD_CONFIG.matcher(rejection);
    assertThat(command.find()).as(rejection).isTrue();
    alter(pool, command.group(1), command.group(2), command.group(3));
    pool.merge(1).start();
  }

  private static String rejection(FaultedPool pool) {
    Throwable rejected = Assertions.catchThrowable(() -> pool.merge(1).start());
    assertThat(rejected).isInstanceOf(InvalidInput.class);
    return rejected.getMessage();
  }

  private static void alter(FaultedPool pool, String topic, String key, String value)
      throws Exception {
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    AlterConfigOp set = new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET);
    try (Admin admin = pool.kafka().admin()) {
      admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
    }
  }

  @Override
  public void amid(FaultedPool pool) throws Exception {
    pool.merge(1).stop();
    pool.merge(2).stop();
    pool.coordinator().stop();
    String plans = pool.topics().mergePlans().name();
    try (Admin admin = pool.kafka().admin()) {
      admin.createPartitions(Map.of(plans, NewPartitions.increaseTo(6))).all().get();
      assertThatThrownBy(() -> pool.merge(1).start())
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("topic " + plans + " has 6 partition(s), expected 4")
          .hasMessageContaining("kafka-topics.sh --delete --topic " + plans)
          .hasMessageContaining("fisher-streams topics create --pool " + pool.topics().pool());
      admin.deleteTopics(List.of(plans)).all().get();
    }
    pool.createTopics();
  }

  @Override
  public void end(FaultedPool pool) {
    pool.coordinator().start();
    pool.merge(1).start();
    pool.merge(2).start();
  }
}
