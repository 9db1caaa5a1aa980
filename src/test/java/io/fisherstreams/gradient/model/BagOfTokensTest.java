package io.fisherstreams.gradient.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.Estimator;
import io.fisherstreams.gradient.FisherEstimation;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The worked example of {@code docs/add-an-architecture.md} is right, and printed there as is. */
final class BagOfTokensTest {
  private static final int VOCABULARY = 7;
  private static final int WIDTH = 3;
  private static final int CLASSES = 4;
  private static final int[][] TOKENS = {{1, 2, 1}, {0}, {6, 6, 6, 5}, {3, 2}, {4, 1, 0, 2, 3}};

  private static final Path PAGE = Path.of("docs/add-an-architecture.md");
  private static final Path SOURCE =
      Path.of("src/test/java/io/fisherstreams/gradient/model/BagOfTokens.java");
  private static final Pattern JAVA = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);

  private final ModelConfig config =
      ModelConfig.parse(
          "config.json",
          String.format(
              Locale.ROOT,
              "{\"model_type\": \"bag_of_tokens\", \"vocab_size\": %d, \"hidden_size\": %d, \"num_labels\": %d}",
              VOCABULARY,
              WIDTH,
              CLASSES));
  private final Map<String, TensorInfo> infos = new LinkedHashMap<>();
  private final Map<String, float[]> tensors = new LinkedHashMap<>();
  private final List<Example> examples = new ArrayList<>();

  BagOfTokensTest() {
    Random random = new Random(3);
    tensor(random, "embeddings.weight", VOCABULARY, WIDTH);
    tensor(random, "score.weight", CLASSES, WIDTH);
    tensor(random, "score.bias", CLASSES);
    for (int[] tokens : TOKENS) {
      long[] ids = Arrays.stream(tokens).asLongStream().toArray();
      examples.add(
          new Example(
              "examples",
              examples.size(),
              random.nextInt(CLASSES),
              Map.of("input_ids", InputTensor.ofLongs(ids))));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void exactFisherIsTheDefinitions(int batchSize) {
    try (Parameters parameters = parameters()) {
      ModelRuntime runtime = new NetworkRuntime(network(parameters), parameters);
      assertIsExact(runtime, batchSize);
    }
  }

  @Test
  void automaticDifferentiationOfTheForwardPassAgrees() {
    try (Parameters parameters = parameters()) {
      assertIsExact(PlainLoopRuntime.of(network(parameters), parameters), 2);
    }
  }

  @Test
  void tokenOutsideTheVocabularyIsRejected() {
    try (Parameters parameters = parameters()) {
      Network network = network(parameters);
      Example bad =
          new Example("texts.jsonl", 5, 0, Map.of("input_ids", InputTensor.ofLongs(1, VOCABULARY)));
      assertThatThrownBy(() -> network.requireInputs(bad))
          .isInstanceOf(InvalidInput.class)
          .hasMessage("texts.jsonl: example 5: input_ids[1] is 7, outside the vocabulary 0 … 6");
    }
  }

  @Test
  void pagePrintsThisClass() throws IOException {
    String source = Files.readString(SOURCE).replaceAll("\\s+", " ");
    List<String> blocks =
        JAVA.matcher(Files.readString(PAGE)).results().map(block -> block.group(1)).toList();
    assertThat(blocks)
        .hasSizeGreaterThanOrEqualTo(4)
        .allSatisfy(block -> assertThat(source).contains(block.strip().replaceAll("\\s+", " ")));
  }

  private Network network(Parameters parameters) {
    return BagOfTokens.architecture().build().apply(config, parameters);
  }

  private void assertIsExact(ModelRuntime runtime, int batchSize) {
    FisherEstimation estimation = new FisherEstimation(runtime, new Estimator.Exact());
    try (SquaredSums sums = new SquaredSums(runtime)) {
      for (int from = 0; from < examples.size(); from += batchSize) {
        estimation.add(examples.subList(from, Math.min(examples.size(), from + batchSize)), sums);
      }
      exactFisher()
          .forEach(
              (name, expected) -> {
                float[] found = new float[expected.length];
                sums.copy(name, 0, found, 0, found.length);
                for (int i = 0; i < found.length; i++) {
                  assertThat((double) found[i] / examples.size())
                      .as("%s[%d]", name, i)
                      .isCloseTo(expected[i], within(1e-6));
                }
              });
    }
  }

  /** Σ_c p_c (∂ log p_c)², averaged over the examples, with the gradients written out by hand. */
  private Map<String, double[]> exactFisher() {
    float[] embeddings = tensors.get("embeddings.weight");
    float[] weight = tensors.get("score.weight");
    float[] bias = tensors.get("score.bias");
    Map<String, double[]> fisher = new LinkedHashMap<>();
    tensors.forEach((name, values) -> fisher.put(name, new double[values.length]));
    for (int[] tokens : TOKENS) {
      double[] mean = new double[WIDTH];
      int[] count = new int[VOCABULARY];
      for (int token : tokens) {
        count[token]++;
        for (int j = 0; j < WIDTH; j++) {
          mean[j] += (double) embeddings[token * WIDTH + j] / tokens.length;
        }
      }
      double[] p = new double[CLASSES];
      double total = 0;
      for (int c = 0; c < CLASSES; c++) {
        double logit = bias[c];
        for (int j = 0; j < WIDTH; j++) {
          logit += weight[c * WIDTH + j] * mean[j];
        }
        p[c] = Math.exp(logit);
        total += p[c];
      }
      for (int c = 0; c < CLASSES; c++) {
        p[c] /= total;
      }
      for (int c = 0; c < CLASSES; c++) {
        double part = p[c] / TOKENS.length;
        double[] dMean = new double[WIDTH];
        for (int k = 0; k < CLASSES; k++) {
          double dLogit = (k == c ? 1 : 0) - p[k];
          fisher.get("score.bias")[k] += part * dLogit * dLogit;
          for (int j = 0; j < WIDTH; j++) {
            double g = dLogit * mean[j];
            fisher.get("score.weight")[k * WIDTH + j] += part * g * g;
            dMean[j] += dLogit * weight[k * WIDTH + j];
          }
        }
        for (int token = 0; token < VOCABULARY; token++) {
          for (int j = 0; j < WIDTH; j++) {
            double g = dMean[j] * count[token] / tokens.length;
            fisher.get("embeddings.weight")[token * WIDTH + j] += part * g * g;
          }
        }
      }
    }
    return fisher;
  }

  private void tensor(Random random, String name, long... shape) {
    TensorInfo info = new TensorInfo(name, DType.F32, Arrays.stream(shape).boxed().toList());
    float[] values = new float[(int) info.elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    infos.put(name, info);
    tensors.put(name, values);
  }

  private Parameters parameters() {
    return new Parameters(
        new TensorSource() {
          @Override
          public String origin() {
            return "model";
          }

          @Override
          public List<TensorInfo> tensors() {
            return List.copyOf(infos.values());
          }

          @Override
          public ByteBuffer slice(String name, long firstElement, int elements) {
            ByteBuffer bytes =
                ByteBuffer.allocate(elements * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(tensors.get(name), (int) firstElement, elements);
            return bytes;
          }
        },
        Optional.empty(),
        Compute.cpu());
  }
}
