package io.fisherstreams.kafka;

import io.fisherstreams.Backoff;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.Topic;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Creates a pool's topics and checks that they are as the stages need them. */
public final class PoolAdmin {
  private static final Logger LOG = LoggerFactory.getLogger(PoolAdmin.class);
  private static final Duration LEADERS_WITHIN = Duration.ofSeconds(60);
  private static final Duration FIRST_PAUSE = Duration.ofMillis(10);
  private static final Duration MAX_PAUSE = Duration.ofMillis(100);

  /** The command that a message ends with; the caller adds the options of its cluster. */
  public static final String CREATE = "fisher-streams topics create";

  private static final String ONE_SHOT_PREFIX = "merge-";

  // the names of a one-shot pool's topics and changelogs
  private static final Pattern ONE_SHOT =
      Pattern.compile("(" + ONE_SHOT_PREFIX + "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[.-].*");

  private final Admin admin;
  private final PoolTopics topics;

  /** Works on one pool through a client that stays the caller's. */
  public PoolAdmin(Admin admin, PoolTopics topics) {
    this.admin = admin;
    this.topics = topics;
  }

  /**
   * Creates the topics that are not there.
   *
   * @param partitions of each sharded topic
   * @param replication replication factor, empty for the brokers' default
   * @return names of the created topics
   * @throws InvalidInput when a topic that is there cannot serve
   */
  public List<String> create(int partitions, Optional<Short> replication) {
    Set<String> existing = get(admin.listTopics().names());
    List<NewTopic> missing = new ArrayList<>();
    for (Topic<?, ?> topic : topics.all()) {
      if (!existing.contains(topic.name())) {
        missing.add(
            new NewTopic(topic.name(), Optional.of(topic.sharded() ? partitions : 1), replication)
                .configs(topic.config()));
      }
    }
    create(missing);
    int found = check();
    if (found != partitions) {
      throw new InvalidInput(
          topics.pool()
              + " has "
              + found
              + " partitions, asked for "
              + partitions
              + "; a pool keeps the number it was created with");
    }
    return missing.stream().map(NewTopic::name).collect(Collectors.toList());
  }

  /**
   * Creates topics and waits until every partition's leader serves it, which {@code createTopics}
   * does not. An idempotent producer that is earlier can have its first batch rejected and its
   * second accepted, and then retries the first one in vain until it times out.
   */
  public void create(List<NewTopic> created) {
    get(admin.createTopics(created).all(), "CREATE" + onTopics());
    List<String> names = created.stream().map(NewTopic::name).toList();
    Map<TopicPartition, OffsetSpec> all = new HashMap<>();
    for (NewTopic topic : created) {
      for (int partition = 0; partition < topic.numPartitions(); partition++) {
        all.put(new TopicPartition(topic.name(), partition), OffsetSpec.latest());
      }
    }
    long giveUp = System.nanoTime() + LEADERS_WITHIN.toNanos();
    Backoff backoff = new Backoff(FIRST_PAUSE, MAX_PAUSE);
    while (true) {
      try {
        // Offsets of a topic that a broker does not know yet are an error in the client's log.
        admin.describeTopics(names).allTopicNames().get();
        admin.listOffsets(all).all().get();
        return;
      } catch (ExecutionException e) {
        if (!(e.getCause() instanceof RetriableException) || System.nanoTime() - giveUp >= 0) {
          throw new InvalidInput(
              "the created topics have no leader: " + e.getCause().getMessage(), e.getCause());
        }
        pause(backoff.next());
      } catch (InterruptedException e) {
        throw interrupted(e);
      }
    }
  }

  private static void pause(Duration wait) {
    try {
      Thread.sleep(wait.toMillis());
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private static KafkaException interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    return new KafkaException("interrupted", e);
  }

  /**
   * Checks every topic.
   *
   * @return the number of partitions of the sharded topics
   * @throws InvalidInput with the topic, what is wrong, and the command that fixes it
   */
  public int check() {
    List<String> names = topics.all().stream().map(Topic::name).toList();
    Set<String> existing = get(admin.listTopics().names());
    for (String name : names) {
      if (!existing.contains(name)) {
        throw missing(name);
      }
    }
    Map<String, TopicDescription> found =
        get(admin.describeTopics(names).allTopicNames(), "DESCRIBE" + onTopics());
    int partitions = found.get(topics.checkpointShards().name()).partitions().size();
    for (Topic<?, ?> topic : topics.all()) {
      int expected = topic.sharded() ? partitions : 1;
      int has = found.get(topic.name()).partitions().size();
      if (has != expected) {
        throw new InvalidInput(
            "topic "
                + topic.name()
                + " has "
                + has
                + " partition(s), expected "
                + expected
                + "; delete it (kafka-topics.sh --delete --topic "
                + topic.name()
                + ") and run: "
                + CREATE
                + " --pool "
                + topics.pool()
                + " --partitions "
                + partitions);
      }
    }
    checkConfigs();
    return partitions;
  }

  /** The list of topics has those only that this client may see. */
  private InvalidInput missing(String name) {
    try {
      get(admin.describeTopics(List.of(name)).allTopicNames(), "DESCRIBE on topic " + name);
    } catch (InvalidInput e) {
      if (MissingRight.find(e).isPresent()) {
        return new InvalidInput(e.getMessage() + ", or there is no such topic", e);
      }
    }
    return new InvalidInput(
        "topic "
            + name
            + " does not exist; create the pool's topics with: "
            + CREATE
            + " --pool "
            + topics.pool());
  }

  private void checkConfigs() {
    Map<ConfigResource, Topic<?, ?>> resources = new HashMap<>();
    for (Topic<?, ?> topic : topics.all()) {
      resources.put(new ConfigResource(ConfigResource.Type.TOPIC, topic.name()), topic);
    }
    Map<ConfigResource, Config> found =
        get(admin.describeConfigs(resources.keySet()).all(), "DESCRIBE_CONFIGS" + onTopics());
    resources.forEach(
        (resource, topic) ->
            topic
                .config()
                .forEach(
                    (key, expected) -> {
                      String has = found.get(resource).get(key).value();
                      // a stage may start while the pool is purged
                      if (!expected.equals(has)
                          && !ForcedCompaction.isForced(found.get(resource), key)) {
                        throw new InvalidInput(
                            "topic "
                                + topic.name()
                                + " has "
                                + key
                                + "="
                                + has
                                + ", expected "
                                + expected
                                + "; fix it with: kafka-configs.sh --alter --entity-type topics --entity-name "
                                + topic.name()
                                + " --add-config "
                                + key
                                + "="
                                + expected);
                      }
                    }));
  }

  /**
   * Deletes the pool's topics, its stages' changelogs and their consumer groups, and the registry's
   * subjects of a one-shot merge. A pool with a name of its own leaves its subjects: copies of its
   * topics may need them.
   *
   * @return the names of what was deleted
   * @throws InvalidInput when a stage is running; nothing is deleted then
   */
  public List<String> delete() {
    Set<String> groups = groups(); // found by their offsets, which go with the topics
    requireNoMembers(groups);
    List<String> deleted = new ArrayList<>();
    for (String name : get(admin.listTopics().names())) {
      if (topics.all().stream().anyMatch(topic -> topic.name().equals(name)) || isChangelog(name)) {
        deleted.add(name);
      }
    }
    get(admin.deleteTopics(deleted).all(), "DELETE" + onTopics());
    admin.deleteConsumerGroups(groups).deletedGroups().values().forEach(PoolAdmin::requireGone);
    deleted.sort(null);
    groups.forEach(group -> deleted.add("group " + group));
    if (ONE_SHOT.matcher(topics.models().name()).matches()) {
      try {
        topics.deleteSubjects();
      } catch (InvalidInput e) {
        LOG.warn("{}", e.getMessage()); // the merge itself is done
      }
    }
    return deleted;
  }

  /** A stage would create topics again, and its group cannot be deleted. */
  private void requireNoMembers(Set<String> groups) {
    get(admin.describeConsumerGroups(groups).all())
        .forEach(
            (group, description) -> {
              if (!description.members().isEmpty()) {
                throw new InvalidInput(
                    String.format(
                        Locale.ROOT,
                        "group %s has %d running members, for example on %s; stop the stages of pool %s first. Nothing was deleted",
                        group,
                        description.members().size(),
                        description.members().iterator().next().host(),
                        topics.pool()));
              }
            });
  }

  /** A new name for the pool of a one-shot merge. */
  public static String newOneShotPool() {
    return ONE_SHOT_PREFIX + UUID.randomUUID();
  }

  /** The pools of one-shot merges that have topics: merges that run, and what killed ones left. */
  public static List<String> oneShotPools(Admin admin) {
    Set<String> pools = new TreeSet<>();
    for (String name : get(admin.listTopics().names())) {
      Matcher match = ONE_SHOT.matcher(name);
      if (match.matches()) {
        pools.add(match.group(1));
      }
    }
    return List.copyOf(pools);
  }

  /** The names of the changelogs that the pool's stages have. */
  public List<String> changelogs() {
    return get(admin.listTopics().names()).stream().filter(this::isChangelog).sorted().toList();
  }

  private boolean isChangelog(String topic) {
    return topic.endsWith("-changelog")
        && Stream.of(Stage.values())
            .anyMatch(stage -> topic.startsWith(stage.group(topics.pool()) + "-"));
  }

  /** The groups that the pool's stages have formed; not every pool has every stage. */
  private Set<String> groups() {
    Set<String> groups = new TreeSet<>();
    for (GroupListing listing : get(admin.listGroups().all())) {
      String group = listing.groupId();
      if (Stream.of(Stage.values())
          .anyMatch(
              stage ->
                  stage.isGroup(topics.pool(), group)
                      && (stage != Stage.WEBHOOKS || hasOffsetsInPool(group)))) {
        groups.add(group);
      }
    }
    return groups;
  }

  /** Whether a group is the pool's own, not one of a pool whose name begins like a webhook's. */
  private boolean hasOffsetsInPool(String group) {
    return get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata())
        .keySet()
        .stream()
        .anyMatch(partition -> partition.topic().equals(topics.releases().name()));
  }

  /** A group without offsets may vanish by itself before it is deleted. */
  private static void requireGone(KafkaFuture<Void> deletion) {
    try {
      deletion.get();
    } catch (ExecutionException e) {
      if (!(e.getCause() instanceof GroupIdNotFoundException)) {
        throw failed(e.getCause());
      }
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private static <T> T get(KafkaFuture<T> future) {
    return get(future, "DESCRIBE on the groups");
  }

  private String onTopics() {
    return " on the topics " + topics.pool() + ".*";
  }

  /** Waits for an answer that needs a right: operation and resource. */
  private static <T> T get(KafkaFuture<T> future, String right) {
    try {
      return future.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof AuthorizationException denied
          ? new InvalidInput("the right " + right + " is missing", denied)
          : failed(e.getCause());
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private static InvalidInput failed(Throwable cause) {
    return new InvalidInput(
        (cause instanceof TimeoutException ? "the brokers do not answer: " : "Kafka rejects it: ")
            + cause.getMessage(),
        cause);
  }
}
