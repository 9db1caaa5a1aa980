package io.fisherstreams.bench;

import io.fisherstreams.files.FileTree;
import io.fisherstreams.merge.LocalPayloads;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;

/**
 * A pool of more and more models. They are so small that the files and topics of the largest pool
 * fit into memory.
 */
final class GrowthPool implements AutoCloseable {
  private static final int SHARDS = 8;
  private static final SyntheticModel MODEL =
      new SyntheticModel(
          List.of(
              new TensorInfo("weight", DType.BF16, List.of((long) SHARDS, (long) Shard.ELEMENTS))));

  /** What is done to one model of the pool. */
  enum Change {
    ARRIVAL,
    WEIGHT,
    VERSION,
    WITHDRAWAL;

    /** As the report has it. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private final ArrivalPool pool;
  private final Path payloads;
  private final Admin admin;
  private final Optional<PayloadTopics> read;
  private int models;

  /** A pool without models. */
  GrowthPool(Path directory, LocalPayloads local) throws Exception {
    pool = new ArrivalPool(directory, MODEL, local);
    payloads = pool.state().resolve("merge").resolve("payloads");
    admin = pool.kafka().admin();
    // What is not local is read again from the topics.
    read =
        local == LocalPayloads.ALL
            ? Optional.of(new PayloadTopics(admin, pool.topics(), ArrivalPool.PARTITIONS))
            : Optional.empty();
    pool.write(1);
  }

  /** Parameters of a model. */
  static long parameters() {
    return MODEL.parameters();
  }

  /** Publishes models until there are so many, and waits for the release with all. */
  void growTo(int size) {
    for (; models < size - 1; models++) {
      pool.publish("model-" + models, 1);
    }
    pool.arrive("model-" + models++, 1);
    read.ifPresent(PayloadTopics::delete);
  }

  /** Makes a change; seconds from its last record to the release with it. */
  double change(Change change, String model) {
    return switch (change) {
      case ARRIVAL -> pool.arrive(model, 1).releasing();
      case WEIGHT -> pool.weigh(model, 0.01);
      case VERSION -> pool.arrive(model, 2).releasing();
      case WITHDRAWAL -> pool.withdraw(model);
    };
  }

  /** Ends the changes of one size of the pool. */
  void changed() {
    read.ifPresent(PayloadTopics::delete);
  }

  /** The merge stage's local files. */
  LocalDisk disk() throws IOException {
    long[] bytes = new long[2];
    FileTree.walk(
        payloads,
        file -> bytes[file.getParent().endsWith("sums") ? 1 : 0] += Files.size(file),
        folder -> {});
    return new LocalDisk(bytes[0], bytes[1]);
  }

  /**
   * Bytes of local files.
   *
   * @param payloads of checkpoints and Fishers, recycled files included
   * @param sums of kept sums
   */
  record LocalDisk(long payloads, long sums) {}

  @Override
  public void close() {
    admin.close();
    pool.close();
  }
}
