package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.util.Map;
import org.apache.kafka.streams.StreamsConfig;
import org.junit.jupiter.api.Test;

class KafkaSettingsTest {
  private static StreamsConfig streams(Map<String, String> client) {
    try (RocksDbMemory memory = new RocksDbMemory(Stage.MERGE)) {
      return new StreamsConfig(
          new KafkaSettings("none:9092", client)
              .streams(
                  new PoolTopics("pool", SchemaRegistry.inMemory()),
                  Stage.MERGE,
                  StreamsOptions.local(Path.of("unused"), 1),
                  memory));
    }
  }

  @Test
  void theUsersClientSettingsWinInTheStagesToo() {
    StreamsConfig config =
        streams(
            Map.of(
                "transaction.timeout.ms", "5000",
                "session.timeout.ms", "3000",
                "batch.size", "777",
                "fetch.max.bytes", "888",
                "commit.interval.ms", "500"));
    assertThat(config.getProducerConfigs("p"))
        .containsEntry("transaction.timeout.ms", "5000")
        .containsEntry("batch.size", "777");
    assertThat(config.getMainConsumerConfigs("g", "c", 0))
        .containsEntry("session.timeout.ms", "3000")
        .containsEntry("fetch.max.bytes", "888");
    assertThat(config.getLong("commit.interval.ms")).isEqualTo(500);
  }

  @Test
  void exactlyOnceAndTheStagesIdentityAreNotTheUsersToChange() {
    StreamsConfig config =
        streams(Map.of("processing.guarantee", "at_least_once", "application.id", "mine"));
    assertThat(config.getString("processing.guarantee")).isEqualTo("exactly_once_v2");
    assertThat(config.getString("application.id")).isEqualTo("pool-merge");
    assertThat(config.getMainConsumerConfigs("g", "c", 0))
        .containsEntry("isolation.level", "read_committed");
  }

  @Test
  void theUserIsThatOfTheSaslSettingsElseThatOfTheSystem() {
    assertThat(
            user(
                "sasl.jaas.config",
                "org.x.ScramLoginModule required username=\"al ice\" password=\"p\";"))
        .isEqualTo("al ice");
    assertThat(user("sasl.jaas.config", "org.x.PlainLoginModule required password=p username=bob;"))
        .isEqualTo("bob");
    assertThat(user("sasl.jaas.config", "org.x.OAuthBearerLoginModule required clientId=\"ci\";"))
        .isEqualTo("ci");
    assertThat(user("sasl.oauthbearer.client.credentials.client.id", "ci")).isEqualTo("ci");
    assertThat(user("security.protocol", "SSL")).isEqualTo("os:" + System.getProperty("user.name"));
  }

  private static String user(String setting, String value) {
    return new KafkaSettings("none:9092", Map.of(setting, value)).user();
  }
}
