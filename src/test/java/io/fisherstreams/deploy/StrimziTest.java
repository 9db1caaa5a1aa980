package io.fisherstreams.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.fisherstreams.deploy.AccessRights.Right;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.strimzi.api.kafka.model.kafka.KafkaSpec;
import io.strimzi.api.kafka.model.nodepool.KafkaNodePoolSpec;
import io.strimzi.api.kafka.model.topic.KafkaTopicSpec;
import io.strimzi.api.kafka.model.user.KafkaUserSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.Resource;
import org.apache.kafka.common.resource.ResourceType;
import org.junit.jupiter.api.Test;

/** The Kafka cluster, topics and users of {@code deploy/strimzi}. */
class StrimziTest {
  private static final Path FOLDER = Path.of("deploy", "strimzi");
  private static final String POOL = "pool";
  private static final Map<String, Class<?>> SPECS =
      Map.of(
          "Kafka", KafkaSpec.class,
          "KafkaNodePool", KafkaNodePoolSpec.class,
          "KafkaTopic", KafkaTopicSpec.class,
          "KafkaUser", KafkaUserSpec.class);

  private static Object spec(JsonNode resource) throws Exception {
    return Manifests.STRICT.treeToValue(
        resource.get("spec"), SPECS.get(resource.get("kind").asText()));
  }

  @Test
  void resourcesHoldNothingThatStrimziDoesNotKnow() throws Exception {
    List<String> kinds = new ArrayList<>();
    for (JsonNode resource : Manifests.in(FOLDER)) {
      assertThat(resource.get("apiVersion").asText()).isEqualTo("kafka.strimzi.io/v1");
      assertThat(resource.at("/metadata/namespace").asText()).isEqualTo("fisher-streams");
      assertThat(spec(resource)).isNotNull();
      String kind = resource.get("kind").asText();
      kinds.add(kind);
      if (!kind.equals("Kafka")) {
        assertThat(resource.at("/metadata/labels").get("strimzi.io/cluster").asText())
            .isEqualTo("kafka");
      }
    }
    assertThat(kinds).contains("Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser");
    // The check can fail.
    JsonNode misspelt = new YAMLMapper().readTree("{kind: KafkaTopic, spec: {partitionz: 1}}");
    assertThatThrownBy(() -> spec(misspelt)).hasMessageContaining("partitionz");
  }

  @Test
  void usersHaveTheRightsOfTheTableAndNoOthers() throws Exception {
    assertThat(rights()).isEqualTo(AccessRights.of(POOL)).hasSizeGreaterThan(50);
    for (JsonNode user : Manifests.in(FOLDER, "KafkaUser")) {
      assertThat(user.at("/spec/authentication/type").asText()).isEqualTo("scram-sha-512");
      assertThat(user.at("/spec/authorization/type").asText()).isEqualTo("simple");
    }
  }

  /** The rights of all users; a user's name is the pool's and the principal's. */
  static List<Right> rights() throws IOException {
    List<Right> found = new ArrayList<>();
    for (JsonNode user : Manifests.in(FOLDER, "KafkaUser")) {
      for (JsonNode acl : user.at("/spec/authorization/acls")) {
        JsonNode resource = acl.get("resource");
        List<AclOperation> operations = new ArrayList<>();
        acl.get("operations").forEach(o -> operations.add(AccessRights.operation(o.asText())));
        found.add(
            new Right(
                user.at("/metadata/name").asText().replaceFirst("^" + POOL + "-", ""),
                resource.get("type").asText().equals("transactionalId")
                    ? ResourceType.TRANSACTIONAL_ID
                    : ResourceType.fromString(resource.get("type").asText()),
                resource.path("name").asText(Resource.CLUSTER_NAME),
                resource.path("patternType").asText().equals("prefix")
                    ? PatternType.PREFIXED
                    : PatternType.LITERAL,
                operations));
      }
    }
    return found;
  }

  @Test
  void topicsAreThoseOfThePool() throws Exception {
    Map<String, Map<String, String>> found = new HashMap<>();
    Map<String, Integer> partitions = new HashMap<>();
    for (JsonNode topic : Manifests.in(FOLDER, "KafkaTopic")) {
      String name = topic.at("/metadata/name").asText();
      Map<String, String> config = new HashMap<>();
      topic
          .at("/spec/config")
          .properties()
          .forEach(entry -> config.put(entry.getKey(), entry.getValue().asText()));
      assertThat(config.remove("min.insync.replicas")).as(name).isEqualTo("2");
      assertThat(topic.at("/spec/replicas").asInt()).as(name).isEqualTo(3);
      found.put(name, config);
      partitions.put(name, topic.at("/spec/partitions").asInt());
    }
    Map<String, Map<String, String>> expected = new HashMap<>();
    for (Topic<?, ?> topic : new PoolTopics(POOL, SchemaRegistry.inMemory()).all()) {
      expected.put(topic.name(), topic.config());
      assertThat(partitions.get(topic.name()))
          .as(topic.name())
          .isEqualTo(topic.sharded() ? DeployCommands.partitions() : 1);
    }
    assertThat(found).isEqualTo(expected);
  }
}
