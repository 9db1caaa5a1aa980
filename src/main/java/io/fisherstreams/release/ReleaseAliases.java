package io.fisherstreams.release;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolProducer;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasAction;
import io.fisherstreams.record.AliasName;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.PoolTopics;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;

/** A pool's aliases, to read and to move. Only the coordinator decides. */
public final class ReleaseAliases {
  private final KafkaSettings kafka;
  private final PoolTopics topics;

  /** The aliases of one pool. */
  public ReleaseAliases(KafkaSettings kafka, PoolTopics topics) {
    this.kafka = kafka;
    this.topics = topics;
  }

  /** Every alias that points to a release, by name. */
  public SortedMap<String, Alias> all() {
    SortedMap<String, Alias> aliases = new TreeMap<>();
    TopicReader.readAll(
        kafka,
        topics.aliases(),
        (name, alias) -> {
          if (alias != null && alias.getRelease() != 0) {
            aliases.put(name, alias);
          } else {
            aliases.remove(name);
          }
        });
    return aliases;
  }

  /**
   * The release's id of a text: digits are an id, any other text is an alias.
   *
   * @throws InvalidInput when there is no such alias
   */
  public long resolve(String text) {
    if (text.matches("[0-9]{1,18}")) {
      return Long.parseLong(text);
    }
    SortedMap<String, Alias> aliases = all();
    Alias alias = aliases.get(text);
    if (alias == null) {
      throw new InvalidInput(
          "'%s' is neither a release's id nor an alias of pool %s; it has %s"
              .formatted(text, topics.pool(), aliases.keySet()));
    }
    return alias.getRelease();
  }

  /**
   * Points an alias to a release.
   *
   * @param hold whether no gate may move it from there
   * @throws InvalidInput when it is no alias's name, the coordinator rejects it, or does not answer
   *     in time
   */
  public Alias set(String alias, long release, boolean hold, Duration timeout) {
    AliasRequest request = request(AliasAction.SET, release);
    request.setHold(hold);
    return require(alias, request, timeout);
  }

  /**
   * Points an alias back to its newest earlier release whose tensors are kept.
   *
   * @param hold whether no gate may move it from there
   * @throws InvalidInput when it is no alias's name, the coordinator rejects it, or does not answer
   *     in time
   */
  public Alias rollback(String alias, boolean hold, Duration timeout) {
    AliasRequest request = request(AliasAction.ROLLBACK, 0);
    request.setHold(hold);
    return require(alias, request, timeout);
  }

  /**
   * Holds an alias where it is, so that no gate moves it, or ends that.
   *
   * @throws InvalidInput when it is no alias's name, there is none, or the coordinator does not
   *     answer in time
   */
  public Alias hold(String alias, boolean hold, Duration timeout) {
    return require(alias, request(hold ? AliasAction.HOLD : AliasAction.UNHOLD, 0), timeout);
  }

  /**
   * Removes an alias.
   *
   * @throws InvalidInput when it is no alias's name, there is none, or the coordinator does not
   *     answer in time
   */
  public void remove(String alias, Duration timeout) {
    require(alias, request(AliasAction.REMOVE, 0), timeout);
  }

  /**
   * Sends a gate's verdict on a release: the alias moves to it, or the release is rejected. Neither
   * happens when a user has moved the alias meanwhile.
   *
   * @param seen the alias as it was when the gate compared
   * @return the coordinator's answer, empty when there is none in time
   */
  public Optional<Alias> judge(Alias seen, long release, GateVerdict verdict, Duration timeout) {
    AliasRequest request = request(AliasAction.JUDGE, release);
    request.setExpectedRelease(seen.getRelease());
    request.setExpectedBaseline(seen.getBaseline());
    request.setVerdict(verdict);
    return ask(seen.getAlias(), request, timeout);
  }

  private static AliasRequest request(AliasAction action, long release) {
    return new AliasRequest(UUID.randomUUID().toString(), action, release, 0L, 0L, null, false);
  }

  private Alias require(String alias, AliasRequest request, Duration timeout) {
    Alias answer =
        ask(new AliasName(alias).value(), request, timeout)
            .orElseThrow(
                () ->
                    new InvalidInput(
                        String.format(
                                Locale.ROOT,
                                "the coordinator of pool %s has not answered within %d s: check that it runs; it",
                                topics.pool(),
                                timeout.toSeconds())
                            + " answers the request later, or dead-letters has the reason"));
    if (!answer.getRefusal().isEmpty()) {
      throw new InvalidInput(answer.getRefusal());
    }
    return answer;
  }

  private Optional<Alias> ask(String alias, AliasRequest request, Duration timeout) {
    TopicPartition partition = new TopicPartition(topics.aliases().name(), 0);
    try (Consumer<byte[], byte[]> answers = kafka.newConsumer()) {
      answers.assign(List.of(partition));
      answers.seekToEnd(List.of(partition));
      answers.position(partition); // seeking is lazy: the end is that before the request
      try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
        new PoolProducer(topics, producer).ask(alias, request);
      }
      long deadline = System.nanoTime() + timeout.toNanos();
      while (System.nanoTime() - deadline < 0) {
        for (ConsumerRecord<byte[], byte[]> record : answers.poll(Duration.ofMillis(100))) {
          Alias answer =
              topics.aliases().value().deserializer().deserialize(record.topic(), record.value());
          if (answer != null && answer.getRequest().equals(request.getRequest())) {
            return Optional.of(answer);
          }
        }
      }
    }
    return Optional.empty();
  }
}
