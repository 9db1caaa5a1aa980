package io.fisherstreams.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.fisher.PlainKernel;
import io.fisherstreams.fisher.VectorKernel;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every kernel gives the bits of the definitions, which stand here entry by entry. */
class MergeKernelTest {
  private static final int CAPACITY = 1_100;
  private static final Map<String, MergeKernel.Factory> KERNELS =
      new TreeMap<>(
          Map.of(
              "reference", PlainKernel::new, "vector", VectorKernel::new, "ND4J", Nd4jKernel::new));

  /** The sums of one entry. */
  private static final class Entry {
    private final double[] sums = new double[3];

    private void add(double first, double second) {
      sums[0] += first;
      sums[1] += second;
    }
  }

  /** What a method adds for one entry of a model. */
  private interface Definition {
    void add(Entry entry, double fisher, double theta, double base, Term term);
  }

  /** How a kernel is asked for it. */
  private interface Call {
    void add(MergeKernel kernel, Term term);
  }

  private record Operation(String name, Call call, Definition definition) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static double weighted(double fisher, Term term) {
    return fisher * (term.weight() / (term.divisor() * term.unit())) + term.weight() * 1e-6;
  }

  private static Operation powered(double exponent) {
    return new Operation(
        "power " + exponent,
        (kernel, term) -> kernel.addPowered(term, 1 / term.divisor(), 1e-9, exponent),
        (entry, fisher, theta, base, term) -> {
          double sum = fisher * (1 / term.divisor()) + 1e-9;
          double power =
              exponent == 0.5 ? Math.sqrt(sum) : exponent == 0 ? 1 : StrictMath.pow(sum, exponent);
          double weight = term.weight() * power;
          entry.add(weight * theta, weight);
        });
  }

  private static final List<Operation> OPERATIONS =
      List.of(
          new Operation(
              "weighted",
              (kernel, term) -> kernel.addWeighted(term, 1e-6),
              (entry, fisher, theta, base, term) -> {
                double weight = weighted(fisher, term);
                entry.add(weight * theta, weight);
              }),
          new Operation(
              "two weighted",
              (kernel, term) -> kernel.addWeighted(term, term, 1e-6),
              (entry, fisher, theta, base, term) -> {
                double weight = weighted(fisher, term);
                entry.add(weight * theta, weight);
                entry.add(weight * theta, weight);
              }),
          new Operation(
              "matched",
              (kernel, term) -> kernel.addMatched(term, 0.3),
              (entry, fisher, theta, base, term) -> {
                double g = fisher * (term.weight() / (term.divisor() * term.unit()));
                entry.add((g + term.weight() * 0.3) * (theta - base), g);
              }),
          new Operation(
              "difference",
              (kernel, term) -> kernel.addDifference(term),
              (entry, fisher, theta, base, term) -> entry.add((theta - base) * term.weight(), 0)),
          new Operation(
              "average",
              (kernel, term) -> kernel.addAverage(term),
              (entry, fisher, theta, base, term) -> entry.sums[2] += term.weight() * theta),
          new Operation(
              "weighted and average",
              (kernel, term) -> {
                kernel.addWeighted(term, 1e-6);
                kernel.addAverage(term);
              },
              (entry, fisher, theta, base, term) -> {
                double weight = weighted(fisher, term);
                entry.add(weight * theta, weight);
                entry.sums[2] += term.weight() * theta;
              }),
          new Operation(
              "square root and average",
              (kernel, term) -> {
                kernel.addPowered(term, 1 / term.divisor(), 1e-9, 0.5);
                kernel.addAverage(term);
              },
              (entry, fisher, theta, base, term) -> {
                double weight = term.weight() * Math.sqrt(fisher * (1 / term.divisor()) + 1e-9);
                entry.add(weight * theta, weight);
                entry.sums[2] += term.weight() * theta;
              }),
          powered(0),
          powered(0.5),
          powered(0.3),
          powered(2));

  static Stream<Arguments> cases() {
    return KERNELS.keySet().stream()
        .flatMap(
            kernel ->
                Stream.of(DType.F32, DType.BF16, DType.F16, DType.F64)
                    .flatMap(
                        type ->
                            OPERATIONS.stream()
                                .map(operation -> Arguments.of(kernel, type, operation))));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void givesTheBitsOfTheDefinition(String name, DType type, Operation operation) {
    Random random = new Random(9);
    try (MergeKernel kernel = KERNELS.get(name).create(CAPACITY, 3)) {
      for (int elements : new int[] {1, 8, 1_003, 1_003, 7}) {
        double[] base = random.doubles(CAPACITY, -1, 1).toArray();
        List<Term> terms = terms(random, type, elements);
        kernel.begin(elements, base);
        terms.forEach(term -> operation.call.add(kernel, term));
        double[][] totals = kernel.totals();
        double[][] expected = expected(operation, terms, base, elements);
        for (int sum = 0; sum < 3; sum++) {
          assertThat(Arrays.copyOf(totals[sum], elements))
              .as("sum %s of %s elements", sum, elements)
              .containsExactly(expected[sum]);
        }
      }
    }
  }

  private static double[][] expected(
      Operation operation, List<Term> terms, double[] base, int elements) {
    double[][] sums = new double[3][elements];
    for (int j = 0; j < elements; j++) {
      Entry entry = new Entry();
      for (Term term : terms) {
        double theta = FloatCodec.toDouble(term.type(), term.theta(), j);
        double fisher = term.fisher().getFloat(j * Float.BYTES);
        operation.definition.add(entry, fisher, theta, base[j], term);
      }
      for (int sum = 0; sum < 3; sum++) {
        sums[sum][j] = entry.sums[sum];
      }
    }
    return sums;
  }

  /** Any bits, so that subnormal numbers, infinities and NaN are among them; and ordinary ones. */
  private static List<Term> terms(Random random, DType type, int elements) {
    List<Term> terms = new ArrayList<>();
    for (double divisor : new double[] {3, 1e300, Double.POSITIVE_INFINITY, 7}) {
      ByteBuffer theta = random(random, elements * type.bytes());
      ByteBuffer fisher = random(random, elements * Float.BYTES);
      for (int j = 0; j < elements; j += 2) {
        fisher.putFloat(j * Float.BYTES, (float) Math.pow(10, 30 * random.nextDouble() - 44));
      }
      terms.add(new Term(type, theta, fisher, divisor, 0.9, 0.3));
    }
    return terms;
  }

  private static ByteBuffer random(Random random, int bytes) {
    byte[] data = new byte[bytes];
    random.nextBytes(data);
    return ByteBuffer.allocateDirect(bytes).put(0, data).order(ByteOrder.LITTLE_ENDIAN);
  }
}
