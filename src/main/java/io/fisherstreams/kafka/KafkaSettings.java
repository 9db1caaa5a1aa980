package io.fisherstreams.kafka;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.ChangedBy;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.CommonClientConfigs;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.config.SaslConfigs;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.processor.WallclockTimestampExtractor;

/**
 * Client settings for records of a mebibyte. The user's own settings (security above all) override
 * them.
 *
 * @param bootstrapServers brokers, as {@code host:port} separated by commas
 * @param client the user's client settings, as Kafka's own tools take them
 */
public record KafkaSettings(String bootstrapServers, Map<String, String> client) {
  // At the end of a topic, a broker holds the fetch that a consumer has begun there for half a
  // second. A
  // consumer sends it one fetch at a time, so the next topic would wait as long.
  private static final Map<String, Integer> ANSWER_AT_THE_END =
      Map.of(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 20);

  private static final int MIB = 1 << 20;

  private static final Pattern LOGIN =
      Pattern.compile("\\b(?:username|clientId)\\s*=\\s*(?:\"([^\"]*)\"|([^\\s;\"]+))");

  /** A full float32 shard with its names: fits one pooled buffer of a producer. */
  private static final int FULL_SHARD = MIB + (16 << 10);

  /**
   * After this long without a heartbeat, other instances get an instance's partitions. Far above
   * any pause of a garbage collector on the small heaps of the stages; Kafka's 45 seconds would be
   * the longest part of every take-over.
   */
  static final Duration SESSION_TIMEOUT = Duration.ofSeconds(15);

  /**
   * After this long the brokers abort the open transaction of an instance that was killed; until
   * then it hides what its successors write behind it from every reader. Little above the session,
   * so that it is over soon after they have begun; above the longest time between two commits of a
   * thread, a step of each of its partitions ({@code MergeProcessor}) and a commit interval, since
   * a transaction that is aborted under a living instance costs it its partitions for a moment. An
   * instance that starts again on its state directory ends its earlier transaction itself.
   */
  static final Duration TRANSACTION_TIMEOUT = Duration.ofSeconds(20);

  /**
   * The transaction timeout of a gradient worker, whose transaction is one flush: a whole model's
   * sums, half a gigabyte for a hundred million parameters. An instance that starts again on its
   * state directory ends its earlier transaction itself.
   */
  static final Duration FLUSH_TIMEOUT = Duration.ofMinutes(2);

  /**
   * Kafka Streams' default. A stage's records are hidden until its commit, which does not wait for
   * the linger: so this delays nothing, and saves a request for each small record of a changelog.
   */
  private static final int STAGE_LINGER_MILLIS = 100;

  /**
   * Keeps a copy.
   *
   * @throws InvalidInput when an address has a user, without quoting it
   */
  public KafkaSettings {
    if (bootstrapServers.indexOf('@') >= 0) {
      throw new InvalidInput(
          "a broker's address has a user, expected HOST:PORT; client settings (--command-config) name user and password");
    }
    client = Map.copyOf(client);
  }

  private Map<String, Object> common() {
    Map<String, Object> common = new HashMap<>();
    common.put("bootstrap.servers", bootstrapServers);
    // The defaults of 64 and 128 KiB make a record of a mebibyte many round trips through the
    // socket.
    common.put("send.buffer.bytes", -1);
    common.put("receive.buffer.bytes", -1);
    return common;
  }

  private static Map<String, Object> producer(int lingerMillis) {
    Map<String, Object> config = new HashMap<>();
    config.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, PoolTopics.MAX_MANIFEST_RECORD_BYTES);
    config.put(ProducerConfig.BATCH_SIZE_CONFIG, FULL_SHARD);
    config.put(ProducerConfig.BUFFER_MEMORY_CONFIG, 32L * MIB);
    config.put(ProducerConfig.LINGER_MS_CONFIG, lingerMillis);
    config.put(ProducerConfig.ACKS_CONFIG, "all");
    // A new transaction often begins before the previous one has ended, and must try again.
    config.put(ProducerConfig.RETRY_BACKOFF_MS_CONFIG, 10);
    return config;
  }

  private static Map<String, Object> consumer() {
    Map<String, Object> config = new HashMap<>();
    config.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
    config.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // Counts records: 32 of them are 32 to 64 MiB.
    config.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 32);
    // A response is one array. From half a heap region on (4 MiB, bin/fisher-streams) it would lie
    // in regions of its own, cleared for each response and in no processor's cache: with responses
    // of 32 MiB the same consumers read 1.4 GiB/s instead of 2.0 (bench --only ACCUMULATION).
    config.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, FULL_SHARD);
    config.put(ConsumerConfig.FETCH_MAX_BYTES_CONFIG, 3 * FULL_SHARD);
    // A consumer that closes, or gets new partitions, waits for the idle fetch under way: Kafka's
    // 500 ms were a quarter of a small merge's time.
    config.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 100);
    return config;
  }

  /**
   * Asks the brokers for their cluster.
   *
   * @throws InvalidInput when none answers in time, or they reject the credentials
   */
  public void requireAnswer(Duration within) {
    try (Admin admin = admin()) {
      int millis = (int) within.toMillis();
      admin.describeCluster(new DescribeClusterOptions().timeoutMs(millis)).clusterId().get();
    } catch (ExecutionException e) {
      throw notAnswering(within, e.getCause());
    } catch (KafkaException e) {
      throw notAnswering(within, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptException(e);
    }
  }

  /** Whether the brokers answer a client in time. */
  public boolean answers(Admin admin, Duration within) {
    try {
      int millis = (int) within.toMillis();
      admin.describeCluster(new DescribeClusterOptions().timeoutMs(millis)).clusterId().get();
      return true;
    } catch (ExecutionException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptException(e);
    }
  }

  private InvalidInput notAnswering(Duration within, Throwable cause) {
    Throwable root = cause;
    while (root.getCause() != null && root instanceof KafkaException) {
      root = root.getCause();
    }
    if (cause instanceof TimeoutException) {
      return new InvalidInput(
          String.format(
              Locale.ROOT,
              "no broker answers at %s within %d s",
              bootstrapServers,
              within.toSeconds()),
          cause);
    }
    return new InvalidInput(
        "no connection to the brokers at %s: %s".formatted(bootstrapServers, root.getMessage()),
        cause);
  }

  /** An admin client; the caller closes it. */
  public Admin admin() {
    Map<String, Object> config = common();
    config.putAll(client);
    return Admin.create(config);
  }

  /**
   * An idempotent producer of encoded records, for a user: each record says {@linkplain ChangedBy
   * who} sent it. The caller closes it.
   */
  public Producer<byte[], byte[]> newProducer() {
    Map<String, Object> config = common();
    config.putAll(producer(0));
    config.putAll(client);
    return new UsersProducer(config, user());
  }

  /**
   * The user's name: that of the SASL settings, else {@code os:} and the name that the operating
   * system knows.
   */
  String user() {
    Matcher login = LOGIN.matcher(client.getOrDefault(SaslConfigs.SASL_JAAS_CONFIG, ""));
    if (login.find()) {
      return login.group(1) != null ? login.group(1) : login.group(2);
    }
    String id = client.get(SaslConfigs.SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_ID);
    return id != null ? id : "os:" + System.getProperty("user.name");
  }

  /**
   * A producer with Kafka's defaults, except for the size of a request, which must hold a shard;
   * the caller closes it.
   */
  public Producer<byte[], byte[]> newDefaultProducer() {
    Map<String, Object> config = new HashMap<>();
    config.put(CommonClientConfigs.BOOTSTRAP_SERVERS_CONFIG, bootstrapServers);
    config.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, PoolTopics.MAX_MANIFEST_RECORD_BYTES);
    config.putAll(client);
    return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
  }

  /**
   * A producer of encoded records in transactions of one flush each; the caller closes it.
   *
   * @param transactionalId of this instance alone; it stays the same when the instance starts again
   */
  public Producer<byte[], byte[]> newTransactionalProducer(String transactionalId) {
    Map<String, Object> config = common();
    config.putAll(producer(0));
    config.put(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, (int) FLUSH_TIMEOUT.toMillis());
    config.putAll(client);
    config.put(ProducerConfig.TRANSACTIONAL_ID_CONFIG, transactionalId);
    return new MeteredProducer(config);
  }

  /**
   * A consumer of committed records in a group that moves as few partitions as possible when
   * members come and go (cooperative rebalancing); the caller closes it.
   */
  public Consumer<byte[], byte[]> newGroupConsumer(String group) {
    Map<String, Object> config = common();
    config.putAll(consumer());
    config.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    config.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, (int) SESSION_TIMEOUT.toMillis());
    config.put(
        ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG,
        CooperativeStickyAssignor.class.getName());
    config.put(CommonClientConfigs.CLIENT_ID_CONFIG, RunningInstances.newClientId(group));
    config.putAll(client);
    config.put(ConsumerConfig.GROUP_ID_CONFIG, group);
    return SteadyConsumer.of(new MeteredConsumer(config));
  }

  /** A consumer of committed records without a group; the caller closes it. */
  public Consumer<byte[], byte[]> newConsumer() {
    return newConsumer(new ByteArrayDeserializer(), Map.of());
  }

  /**
   * A {@link #newConsumer} that a stage keeps as long as it runs: its metrics are shown with the
   * process's.
   *
   * @param name of what it follows, as its metrics' client begins
   */
  public Consumer<byte[], byte[]> newFollower(String name) {
    Map<String, Object> config = consumerConfig(Map.of());
    config.put(CommonClientConfigs.CLIENT_ID_CONFIG, RunningInstances.newClientId(name));
    return new MeteredConsumer(config);
  }

  /**
   * A consumer of committed records, without a group, that reads one topic after another to its
   * end; the caller closes it.
   */
  public Consumer<byte[], byte[]> newReader() {
    return newConsumer(new ByteArrayDeserializer(), ANSWER_AT_THE_END);
  }

  /** A {@link #newReader} with text keys. */
  public Consumer<String, byte[]> newTextKeyReader() {
    return newConsumer(new StringDeserializer(), ANSWER_AT_THE_END);
  }

  /** A consumer with Kafka's defaults, without a group; the caller closes it. */
  public Consumer<byte[], byte[]> newDefaultConsumer() {
    Map<String, Object> config = new HashMap<>();
    config.put(CommonClientConfigs.BOOTSTRAP_SERVERS_CONFIG, bootstrapServers);
    config.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    config.putAll(client);
    return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  private <K> Consumer<K, byte[]> newConsumer(Deserializer<K> key, Map<String, ?> own) {
    return new KafkaConsumer<>(consumerConfig(own), key, new ByteArrayDeserializer());
  }

  private Map<String, Object> consumerConfig(Map<String, ?> own) {
    Map<String, Object> config = common();
    config.putAll(consumer());
    config.putAll(own);
    config.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    config.putAll(client);
    return config;
  }

  /** Settings of an exactly-once Kafka Streams application of a pool. */
  public Map<String, Object> streams(
      PoolTopics topics, Stage stage, StreamsOptions options, RocksDbMemory memory) {
    Map<String, Object> config = common();
    consumer().forEach((key, value) -> config.put(StreamsConfig.mainConsumerPrefix(key), value));
    // Streams sets the isolation of its consumers itself.
    config.remove(StreamsConfig.mainConsumerPrefix(ConsumerConfig.ISOLATION_LEVEL_CONFIG));
    producer(STAGE_LINGER_MILLIS)
        .forEach((key, value) -> config.put(StreamsConfig.producerPrefix(key), value));
    // What no topic takes is rejected here: brokers would have the producer split its batch for
    // ever.
    config.put(
        StreamsConfig.producerPrefix(ProducerConfig.MAX_REQUEST_SIZE_CONFIG),
        stage == Stage.COORDINATOR
            ? PoolTopics.MAX_MANIFEST_RECORD_BYTES
            : PoolTopics.MAX_DEAD_LETTER_BYTES);
    // Each commit is a transaction; a stage requests one itself when another stage waits for its
    // records.
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
    config.put(
        StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG),
        (int) TRANSACTION_TIMEOUT.toMillis());
    config.put(
        StreamsConfig.mainConsumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG),
        (int) SESSION_TIMEOUT.toMillis());
    config.put(StreamsConfig.DEFAULT_CLIENT_SUPPLIER_CONFIG, SteadyClients.class);
    config.put(
        StreamsConfig.CLIENT_ID_CONFIG, RunningInstances.newClientId(stage.group(topics.pool())));
    for (String name : client.keySet()) { // a prefix would win over the user's plain name
      config.remove(StreamsConfig.producerPrefix(name));
      config.remove(StreamsConfig.mainConsumerPrefix(name));
    }
    config.putAll(client);
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, stage.group(topics.pool()));
    config.put(StreamsConfig.STATE_DIR_CONFIG, options.stateDirectory().toString());
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.threads());
    config.put(StreamsConfig.NUM_STANDBY_REPLICAS_CONFIG, options.standbys());
    config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, options.replication());
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    // Steps of a plan run between polls, so an idle poll must not delay them.
    config.put(StreamsConfig.POLL_MS_CONFIG, 10);
    config.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 16);
    config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0L);
    config.put(StreamsConfig.ENSURE_EXPLICIT_INTERNAL_RESOURCE_NAMING_CONFIG, true);
    config.put(
        StreamsConfig.DEFAULT_TIMESTAMP_EXTRACTOR_CLASS_CONFIG, WallclockTimestampExtractor.class);
    config.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, SharedRocksDb.class);
    config.put(SharedRocksDb.MEMORY, memory);
    return config;
  }
}
