package io.fisherstreams.coordinator;

import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.Correction;
import io.fisherstreams.record.CountedExamples;
import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.RetiredModel;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * The state of a pool, kept up to date record by record. It knows no consumer: {@link PoolFollower}
 * feeds it. Thread-safe.
 */
final class LivePool {
  /** Dead letters that are kept, without their values. */
  static final int MAX_DEAD_LETTERS = 1000;

  private static final int MAX_KEY_BYTES = 512;
  private static final int MAX_EARLY_REPORTS = 1000;

  private final PoolTopics topics;
  private final int partitions;
  private final SortedMap<Long, Release> releases = new TreeMap<>();
  private final Map<ModelVersion, Instant> announced = new HashMap<>();
  private final Map<String, Map<Integer, CountedExamples>> counted = new HashMap<>();
  private final SortedMap<String, Alias> aliases = new TreeMap<>();
  private final Deque<DeadLetter> deadLetters = new ArrayDeque<>();
  // Reports of versions whose manifest is in a topic that is read a moment later.
  private final Map<String, PartitionProgress> early = new LinkedHashMap<>();
  private final Set<ModelVersion> changed = new LinkedHashSet<>();
  private PoolView view;
  private long deadLetterCount;
  private boolean hasEarlierDeadLetters;

  /**
   * An empty pool.
   *
   * @param partitions of the sharded topics
   */
  LivePool(PoolTopics topics, int partitions) {
    this.topics = topics;
    this.partitions = partitions;
    this.view = new PoolView(partitions, Map.of());
  }

  /** Partitions of the sharded topics. */
  int partitions() {
    return partitions;
  }

  /** Hands the pool over as it is now; the reading is valid during the call only. */
  synchronized <T> T read(Function<PoolReading, T> reader) {
    Map<ModelVersion, Long> examples = new HashMap<>();
    counted.values().stream()
        .flatMap(parts -> parts.values().stream())
        .forEach(
            part ->
                examples.merge(
                    new ModelVersion(part.getModel(), part.getVersion()),
                    count(part.getRuns()),
                    Long::sum));
    return reader.apply(
        new PoolReading(
            new PoolStatus(partitions, view, Map.of(), Map.of(), List.copyOf(releases.values())),
            Collections.unmodifiableMap(announced),
            examples,
            Collections.unmodifiableSortedMap(aliases),
            List.copyOf(deadLetters),
            deadLetterCount,
            hasEarlierDeadLetters));
  }

  private static long count(List<Long> runs) {
    long count = 0;
    for (int i = 0; i < runs.size(); i += 2) {
      count += runs.get(i + 1) - runs.get(i) + 1;
    }
    return count;
  }

  /** The versions that have changed since the last call, as far as the pool still has them. */
  synchronized List<ModelVersion> takeChanged() {
    List<ModelVersion> taken = changed.stream().filter(this::has).toList();
    changed.clear();
    return taken;
  }

  private boolean has(ModelVersion version) {
    return view.models().containsKey(version.model())
        && view.models().get(version.model()).containsKey(version.version());
  }

  /** Takes a release over; what its plan retires leaves the pool. */
  synchronized void release(ConsumerRecord<byte[], byte[]> record) {
    Optional<Release> read = TopicReader.value(topics.releases(), record);
    if (read.isEmpty()) {
      return;
    }
    releases.put(read.get().getRelease(), read.get());
    for (RetiredModel model : read.get().getPlan().getRetired()) {
      view.retire(model.getModel(), model.getVersion());
      announced
          .keySet()
          .removeIf(v -> v.model().equals(model.getModel()) && v.version() <= model.getVersion());
    }
    read.get()
        .getPlan()
        .getModels()
        .forEach(model -> changed.add(new ModelVersion(model.getModel(), model.getVersion())));
  }

  /**
   * Takes a manifest or a withdrawal over.
   *
   * @return the model, if it was withdrawn
   */
  synchronized Optional<String> model(ConsumerRecord<byte[], byte[]> record) {
    if (record.key() == null) {
      return Optional.empty();
    }
    String key = text(record.key());
    Optional<ModelManifest> manifest = TopicReader.value(topics.models(), record);
    if (manifest.isEmpty() && record.value() != null) {
      return Optional.empty(); // unreadable
    }
    boolean wasThere = view.models().containsKey(key);
    try {
      if (Correction.corrected(record.headers()).isPresent()) {
        view.correct(key, manifest.orElse(null));
      } else if (manifest.isEmpty()) {
        view.withdraw(key);
      } else {
        view.announce(key, manifest.get());
      }
    } catch (RejectedRecord e) {
      return Optional
          .empty(); // the coordinator has rejected it too, and dead-letters has the reason
    }
    announced.keySet().removeIf(version -> version.model().equals(key) && !has(version));
    manifest.ifPresent(found -> announced(found, record.timestamp()));
    return wasThere && !view.models().containsKey(key) ? Optional.of(key) : Optional.empty();
  }

  private void announced(ModelManifest manifest, long timestamp) {
    ModelVersion version = new ModelVersion(manifest.getModel(), manifest.getVersion());
    announced.put(version, Instant.ofEpochMilli(timestamp));
    changed.add(version);
    early
        .entrySet()
        .removeIf(
            report -> {
              boolean isIts = report.getKey().startsWith(version + "/");
              if (isIts) {
                report(report.getValue());
              }
              return isIts;
            });
  }

  /** Takes a partition's report over. */
  synchronized void progress(ConsumerRecord<byte[], byte[]> record) {
    if (record.key() == null) {
      return;
    }
    String key = text(record.key());
    if (key.indexOf('@') < 0) {
      return; // a report on a release
    }
    TopicReader.value(topics.progress(), record)
        .ifPresent(
            report -> {
              if (report.getBody() instanceof ModelProgress model
                  && !has(new ModelVersion(model.getModel(), model.getVersion()))) {
                early.put(key, report);
                if (early.size() > MAX_EARLY_REPORTS) {
                  early.remove(early.keySet().iterator().next());
                }
              } else {
                report(report);
              }
            });
  }

  private void report(PartitionProgress report) {
    if (report.getBody() instanceof ModelProgress model) {
      try {
        view.progress(report.getPartition(), model);
        changed.add(new ModelVersion(model.getModel(), model.getVersion()));
      } catch (RejectedRecord e) {
        // the coordinator has rejected it too, and dead-letters has the reason
      }
    }
  }

  /** Takes over which examples of a partition are counted. */
  synchronized void counted(ConsumerRecord<byte[], byte[]> record) {
    if (record.key() == null) {
      return;
    }
    String key = text(record.key());
    if (record.value() == null) {
      counted.getOrDefault(key, new HashMap<>()).remove(record.partition());
      return;
    }
    TopicReader.value(topics.countedExamples(), record)
        .ifPresent(
            examples -> {
              counted.computeIfAbsent(key, k -> new HashMap<>()).put(record.partition(), examples);
              changed.add(new ModelVersion(examples.getModel(), examples.getVersion()));
            });
  }

  /** Takes an alias over; one that points to no release is gone. */
  synchronized void alias(ConsumerRecord<byte[], byte[]> record) {
    if (record.key() == null) {
      return;
    }
    Optional<Alias> alias =
        TopicReader.value(topics.aliases(), record).filter(read -> read.getRelease() != 0);
    if (alias.isPresent()) {
      aliases.put(text(record.key()), alias.get());
    } else {
      aliases.remove(text(record.key()));
    }
  }

  /** Remembers that there are older dead letters than those that it is given. */
  synchronized void omitEarlierDeadLetters() {
    hasEarlierDeadLetters = true;
  }

  /** Takes a dead letter over, without its value. */
  synchronized DeadLetter deadLetter(ConsumerRecord<byte[], byte[]> record) {
    DeadLetter whole = DeadLetter.of(record);
    byte[] key = whole.key();
    DeadLetter letter =
        new DeadLetter(
            whole.offset(),
            whole.at(),
            whole.reason(),
            whole.kind(),
            whole.stage(),
            whole.topic(),
            whole.partition(),
            whole.origin(),
            key != null && key.length > MAX_KEY_BYTES ? Arrays.copyOf(key, MAX_KEY_BYTES) : key,
            null,
            whole.size(),
            whole.sha256());
    deadLetters.add(letter);
    if (deadLetters.size() > MAX_DEAD_LETTERS) {
      deadLetters.remove();
    }
    deadLetterCount++;
    return letter;
  }

  private static String text(byte[] key) {
    return new String(key, StandardCharsets.UTF_8);
  }
}
