package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Similarity of a pool in which one model's Fisher is a file, one is refined and decayed from many
 * gradient batches with another epoch open, and two are 0 in a layer or everywhere. Expected values
 * come from the published numbers by the textbook's formulas in float64.
 */
class SimilarityIT {
  private static final Map<String, Integer> SIZES =
      new TreeMap<>(
          Map.of("emb.weight", 7, "h.0.w", 300_000, "h.10.w", 5, "h.2.w", 9, "head.w", 4));
  private static final List<String> LAYERS = List.of("emb", "h.0", "h.2", "h.10");
  private static final List<String> PARAMETERS = List.of("emb.weight", "h.0.w", "h.2.w", "h.10.w");
  private static final List<String> MODELS = List.of("filed", "nowhere", "partial", "refined");
  private static final double DECAY = 0.5;

  @TempDir private Path directory;
  private final Random random = new Random(7);
  private final Map<String, double[][]> fishers = new LinkedHashMap<>();

  @Test
  void cosinesAndSharesAreThoseOfThePublishedFishers() throws IOException {
    PlanPolicy atOnce = PlanPolicy.atOnce(Set.copyOf(MODELS));
    try (CommandPool pool = new CommandPool(directory, 3, atOnce)) {
      pool.output(
          "publish",
          "checkpoint",
          pool.file("base", tensors(1, false)),
          "--model",
          "base",
          "--base",
          "--exclude",
          "head",
          "--minimal-fisher-weight",
          "0.001");
      publishFile(pool, "filed", tensors(1, true));
      publishFile(pool, "nowhere", tensors(0, true));
      Map<String, float[]> partial = tensors(1, true);
      partial.put("h.2.w", new float[9]);
      publishFile(pool, "partial", partial);
      publishRefined(pool);
      Release release =
          pool.awaitRelease(
              "the refined model's third epoch",
              r ->
                  r.getStatus() == ReleaseStatus.COMPLETE
                      && r.getPlan().getModels().stream()
                          .anyMatch(m -> m.getModel().equals("refined") && m.getEpoch() == 3));
      Path json = directory.resolve("similarity.json");
      Path csv = directory.resolve("similarity.csv");
      Path png = directory.resolve("similarity.png");

      String printed =
          pool.output(
              "similarity",
              "--json",
              json.toString(),
              "--csv",
              csv.toString(),
              "--png",
              png.toString());

      JsonNode found = new ObjectMapper().readTree(json.toFile());
      assertThat(found.get("release").longValue()).isEqualTo(release.getRelease());
      assertThat(found.get("models").findValuesAsText("model")).isEqualTo(MODELS);
      assertThat(found.get("layers").findValuesAsText("layer")).isEqualTo(LAYERS);
      Map<String, Double> norms = new TreeMap<>();
      release.getPlan().getModels().forEach(m -> norms.put(m.getModel(), m.getFisherNorm()));
      assertPart(found.get("whole"), norms, 0, 4);
      for (int layer = 0; layer < LAYERS.size(); layer++) {
        assertPart(found.get("layers").get(layer), norms, layer, layer + 1);
      }
      List<Double> planned =
          release.getPlan().getModels().stream().map(PlannedModel::getShare).toList();
      for (int i = 0; i < planned.size(); i++) {
        assertThat(found.get("whole").get("share").get(i).doubleValue())
            .isCloseTo(planned.get(i), within(1e-9));
      }
      assertCsv(Files.readString(csv), found);
      assertThat(ImageIO.read(png.toFile()).getWidth()).isGreaterThan(300);
      assertThat(printed)
          .contains("pool pool, release " + release.getRelease())
          .containsPattern("nowhere +- +- +- +-")
          .containsPattern("h\\.10 +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+");
      assertThat(pool.run("similarity", "--release", "99")).isEqualTo(1);
    }
  }

  private Map<String, float[]> tensors(float top, boolean squared) {
    Map<String, float[]> tensors = new LinkedHashMap<>();
    SIZES.forEach(
        (name, size) -> {
          float[] values = new float[size];
          for (int j = 0; j < size; j++) {
            float value = top * (float) random.nextGaussian();
            values[j] = squared ? value * value : value;
          }
          tensors.put(name, values);
        });
    return tensors;
  }

  private void publishFile(CommandPool pool, String model, Map<String, float[]> fisher) {
    String checkpoint = pool.file(model, tensors(1, false));
    pool.output("publish", "checkpoint", checkpoint, "--model", model);
    pool.output("publish", "fisher", pool.file(model + ".fisher", fisher), "--model", model);
    double[][] wide = new double[PARAMETERS.size()][];
    for (int p = 0; p < wide.length; p++) {
      float[] values = fisher.get(PARAMETERS.get(p));
      wide[p] = new double[values.length];
      for (int j = 0; j < values.length; j++) {
        wide[p][j] = values[j];
      }
    }
    fishers.put(model, wide);
  }

  /** Three examples, then two more, two more, and one that stays open. */
  private void publishRefined(CommandPool pool) {
    pool.output(
        "publish",
        "checkpoint",
        pool.file("refined", tensors(1, false)),
        "--model",
        "refined",
        "--num-examples",
        "3",
        "--refine-every",
        "2",
        "--decay",
        Double.toString(DECAY));
    int[] examples = {3, 2, 2, 1};
    double[][] sums = new double[PARAMETERS.size()][];
    for (int p = 0; p < sums.length; p++) {
      sums[p] = new double[SIZES.get(PARAMETERS.get(p))];
    }
    double count = 0;
    int sequence = 0;
    for (int epoch = 0; epoch < examples.length; epoch++) {
      Map<String, float[]> gradients = new LinkedHashMap<>();
      List<TensorInfo> infos = new ArrayList<>();
      boolean isSealed = epoch < examples.length - 1;
      for (int p = 0; p < sums.length; p++) {
        int size = sums[p].length;
        float[] values = new float[examples[epoch] * size];
        for (int j = 0; isSealed && j < size; j++) {
          sums[p][j] *= DECAY;
        }
        for (int j = 0; j < values.length; j++) {
          values[j] = (float) random.nextGaussian();
          sums[p][j % size] += isSealed ? (double) values[j] * values[j] : 0;
        }
        gradients.put(PARAMETERS.get(p), values);
        infos.add(
            new TensorInfo(
                PARAMETERS.get(p), DType.F32, List.of((long) examples[epoch], (long) size)));
      }
      count = isSealed ? DECAY * count + examples[epoch] : count;
      Path file = directory.resolve("gradients-" + epoch + ".safetensors");
      CommandPool.write(file, infos, gradients);
      pool.output(
          "publish",
          "gradients",
          file.toString(),
          "--model",
          "refined",
          "--source",
          "test",
          "--sequence",
          Integer.toString(sequence));
      sequence += examples[epoch];
    }
    for (double[] sum : sums) {
      for (int j = 0; j < sum.length; j++) {
        sum[j] /= count;
      }
    }
    fishers.put("refined", sums);
  }

  private void assertPart(JsonNode part, Map<String, Double> norms, int from, int to) {
    double[][] products = new double[MODELS.size()][MODELS.size()];
    double[] weights = new double[MODELS.size()];
    double all = 0;
    for (int i = 0; i < MODELS.size(); i++) {
      for (int p = from; p < to; p++) {
        double[] mine = fishers.get(MODELS.get(i))[p];
        for (int j = 0; j < mine.length; j++) {
          weights[i] += (mine[j] + 0.001) / 4 / (norms.get(MODELS.get(i)) + 0.001);
          for (int k = 0; k < MODELS.size(); k++) {
            products[i][k] += mine[j] * fishers.get(MODELS.get(k))[p][j];
          }
        }
      }
      all += weights[i];
    }
    for (int i = 0; i < MODELS.size(); i++) {
      for (int k = 0; k < MODELS.size(); k++) {
        JsonNode cosine = part.get("cosine").get(i).get(k);
        if (products[i][i] == 0 || products[k][k] == 0) {
          assertThat(cosine.isNull()).isTrue();
        } else {
          double expected = products[i][k] / Math.sqrt(products[i][i] * products[k][k]);
          assertThat(cosine.doubleValue()).isCloseTo(expected, within(1e-7));
        }
      }
      assertThat(part.get("share").get(i).doubleValue()).isCloseTo(weights[i] / all, within(1e-6));
    }
  }

  private static void assertCsv(String csv, JsonNode json) {
    String[] lines = csv.split("\r\n", -1);
    assertThat(lines[0]).isEqualTo("measure,layer,model,other,value");
    int line = 1;
    List<JsonNode> parts = new ArrayList<>(List.of(json.get("whole")));
    json.get("layers").forEach(parts::add);
    for (JsonNode part : parts) {
      String layer = part.has("layer") ? part.get("layer").textValue() : "*";
      for (int i = 0; i < MODELS.size(); i++) {
        for (int k = 0; k < MODELS.size(); k++) {
          JsonNode cosine = part.get("cosine").get(i).get(k);
          assertThat(lines[line++])
              .isEqualTo(
                  "cosine,%s,%s,%s,%s",
                  layer, MODELS.get(i), MODELS.get(k), cosine.isNull() ? "" : cosine.asText());
        }
      }
      for (int i = 0; i < MODELS.size(); i++) {
        assertThat(lines[line++])
            .isEqualTo("share,%s,%s,,%s", layer, MODELS.get(i), part.get("share").get(i).asText());
      }
    }
    assertThat(lines[line]).isEmpty();
  }
}
