package io.fisherstreams.record;

/**
 * The largest record contents that a pool accepts. Every stage derives work, memory and records of
 * its own from a record, so each size has a bound: one record must not stop a pool. {@link
 * ManifestRules} checks manifests against them, for the stages and for whoever publishes.
 */
public final class Limits {
  /** Tensors of a model. The largest mixture-of-experts checkpoints have below 100,000. */
  public static final int MAX_TENSORS = 1 << 18;

  /** Elements of all tensors of a model together: twice a model of 10¹² parameters. */
  public static final long MAX_ELEMENTS = 1L << 41;

  /** Bytes of all tensors of a model together: a file of a file system holds as many. */
  public static final long MAX_BYTES = 1L << 43;

  /** Dimensions of a tensor: as many as NumPy allows. */
  public static final int MAX_DIMENSIONS = 64;

  /** Characters of a tensor's name. */
  public static final int MAX_TENSOR_NAME_LENGTH = 1_000;

  /** Characters of the source of a gradient batch, and of a manifest's content hash. */
  public static final int MAX_LABEL_LENGTH = 1_000;

  /** Sources of the gradient batches of a shard: the gradient stage has one for each partition. */
  public static final int MAX_SOURCES = 1_024;

  /** Characters of all sources of a shard together. */
  public static final int MAX_SOURCES_LENGTH = 200_000;

  /** Unbroken runs of sequences that a shard remembers, over all sources. */
  public static final int MAX_SEQUENCE_RUNS = 8_192;

  /** Unbroken runs of counted examples of a model version in one partition. */
  public static final int MAX_EXAMPLE_RUNS = 65_536;

  /** Exclusion patterns of a pool. */
  public static final int MAX_PATTERNS = 1_000;

  /** Characters of all exclusion patterns of a pool together: every plan repeats them. */
  public static final int MAX_PATTERNS_LENGTH = 100_000;

  /** Models of a pool: a plan lists them all, and must fit a record. */
  public static final int MAX_MODELS = 4_000;

  /** Characters of an exclusion pattern. */
  public static final int MAX_PATTERN_LENGTH = 1_000;

  /**
   * Characters of all names of a base, times the size of its exclusion patterns: matching takes up
   * to seven nanoseconds for each, and must end long before a transaction times out.
   */
  public static final long MAX_PATTERN_WORK = 1_000_000_000L;

  /** Characters of a model's {@code config.json}: room for the names of 20,000 classes, twice. */
  public static final int MAX_CONFIG_LENGTH = 2 << 20;

  /** Files that a base's manifest carries. */
  public static final int MAX_COMPANIONS = 100;

  /** Bytes of all these files together, packed: a manifest has room for the tensors besides. */
  public static final int MAX_COMPANION_BYTES = 3 << 20;

  /** Bytes of each of these files when it is unpacked. */
  public static final int MAX_COMPANION_LENGTH = 32 << 20;

  /** Labels that an estimator draws for an example: each is a backward pass. */
  public static final int MAX_SAMPLES = 1_000;

  /** Tokens of a vocabulary each of which is a backward pass for each target of an example. */
  public static final int MAX_EXACT_VOCABULARY = 1 << 16;

  /** Examples that go through a model together. */
  public static final int MAX_BATCH_SIZE = 1 << 16;

  /** Characters of the id of an alias request. */
  public static final int MAX_REQUEST_LENGTH = 200;

  /** Characters of the reason in a gate's verdict. */
  public static final int MAX_VERDICT_REASON_LENGTH = 10_000;

  /** Tasks in a gate's verdict. */
  public static final int MAX_VERDICT_TASKS = 1_000;

  /** Models that a plan or a verdict lists as left out. */
  public static final int MAX_LEFT_OUT = 100;

  /** Characters of the reason why a model is left out. */
  public static final int MAX_LEFT_OUT_REASON_LENGTH = 1_000;

  /** Characters of a decimal number in a report: the longest sum of float64 numbers has 2,500. */
  public static final int MAX_DECIMAL_LENGTH = 4_096;

  private Limits() {}
}
