package io.fisherstreams.merge;

import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.tensor.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * One model's part of a shard.
 *
 * @param checkpoint its parameters
 * @param fisher its Fisher; empty when the formula reads none
 * @param weight the model's weight
 */
public record ShardInput(ShardElements checkpoint, Optional<Fisher> fisher, double weight) {
  /**
   * A shard's Fisher.
   *
   * @param entries float32
   * @param divisor what the entries are divided by to give the Fisher
   * @param unit what the Fisher is divided by
   */
  public record Fisher(ShardElements entries, double divisor, double unit) {}

  /** A Fisher of 0. */
  private record Zeros() implements ShardElements {
    private static final ByteBuffer BLOCK_OF_ZEROS =
        ByteBuffer.allocateDirect(ShardMerge.BLOCK * Float.BYTES).asReadOnlyBuffer();

    @Override
    public DType type() {
      return DType.F32;
    }

    @Override
    public ByteBuffer read(int first, int count, ByteBuffer scratch) {
      return BLOCK_OF_ZEROS.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    }
  }

  /** Buffers for one model's part of a block. */
  static final class Buffers {
    final ByteBuffer theta = ByteBuffer.allocateDirect(ShardMerge.BLOCK * Double.BYTES);
    final ByteBuffer fisher = ByteBuffer.allocateDirect(ShardMerge.BLOCK * Float.BYTES);
  }

  /**
   * The part of a model that leaves the shard as the base has it: its Fisher there is 0.
   *
   * @param base the base's shard
   * @param factors the model's
   */
  public static ShardInput unchanged(
      ShardElements base, MergeFormula formula, MergeFormula.Factors factors) {
    return new ShardInput(
        base,
        formula.readsFishers()
            ? Optional.of(new Fisher(new Zeros(), 1, factors.unit()))
            : Optional.empty(),
        factors.weight());
  }

  /** Reads {@code count} elements from the shard's {@code first} on. */
  Term read(int first, int count, Buffers buffers) {
    ByteBuffer theta = checkpoint.read(first, count, buffers.theta);
    if (fisher.isEmpty()) {
      return new Term(checkpoint.type(), theta, buffers.fisher, 1, weight);
    }
    Fisher own = fisher.get();
    return new Term(
        checkpoint.type(),
        theta,
        own.entries.read(first, count, buffers.fisher),
        own.divisor,
        own.unit,
        weight);
  }
}
