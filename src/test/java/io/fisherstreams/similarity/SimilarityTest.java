package io.fisherstreams.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.fisher.FisherProducts;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;

/** Two models, F = (3, 4 | 0) and (4, 3 | 0) in two layers: the second is 0 in both. */
class SimilarityTest {
  private final Similarity similarity = similarity();

  private static Similarity similarity() {
    FisherProducts products = new FisherProducts(2);
    double[] ones = {1, 1};
    products.add("h.\"1\"", ParameterGroups.NO_GROUP, new float[][] {{3, 4}, {4, 3}}, ones, 2);
    products.add("h.2", ParameterGroups.NO_GROUP, new float[][] {{0}, {0}}, ones, 1);
    MergePlan plan =
        new MergePlan(
            6L,
            Instant.EPOCH,
            "",
            "base",
            1L,
            MergeMethods.fisher(List.of(), true, 0.5, null),
            List.of(
                new PlannedModel("a", 1L, 2, 0.25, List.of(), 5.0, 7.0, 3L, 0.25 / 5.5, 0.25, 0.0),
                new PlannedModel("b", 1L, 1, 0.75, List.of(), 5.0, 7.0, 3L, 0.75 / 5.5, 0.75, 0.0)),
            List.of(),
            0L,
            false,
            List.of(),
            List.of(),
            1.0,
            false);
    return Similarity.of(plan, products);
  }

  @Test
  void sharesOfALayerWeighItsEntriesWithThePlansWeights() {
    // c (ΣF + εJ) with c = λ / (N + ε): 0.25 · 8 and 0.75 · 8, and in the zero layer ε alone
    for (Similarity.Part part : similarity.layers()) {
      assertThat(part.shares().get(0)).isCloseTo(0.25, within(1e-15));
      assertThat(part.shares().get(1)).isCloseTo(0.75, within(1e-15));
    }
    assertThat(similarity.whole().cosines().get(0).get(1)).hasValue(24 / 25.0);
  }

  @Test
  void anUndefinedCosineIsNullInJsonEmptyInCsvAndADashInTables() throws IOException {
    JsonNode json = new ObjectMapper().readTree(SimilarityText.json(similarity));
    assertThat(json.get("layers").get(1).get("cosine").get(0).get(1).isNull()).isTrue();
    assertThat(json.get("layers").get(0).get("cosine").get(0).get(1).doubleValue()).isEqualTo(0.96);
    assertThat(json.get("whole").has("layer")).isFalse();
    assertThat(SimilarityText.csv(similarity))
        .contains("cosine,*,a,b,0.96\r\n")
        .contains("cosine,h.2,a,b,\r\n")
        .contains("cosine,\"h.\"\"1\"\"\",a,b,0.96\r\n")
        .contains("share,*,a,,0.25\r\n");
    assertThat(SimilarityText.tables(similarity)).containsPattern("(?m)^a +1.0000 +0.9600$");
  }

  @Test
  void theHeatMapShowsEveryValueInItsColour() throws IOException {
    BufferedImage image = ImageIO.read(new ByteArrayInputStream(HeatMap.png(similarity)));

    // four cells of cosines, four of shares; digits cover a part of each
    assertThat(pixels(image, HeatMap.color(0.96))).isGreaterThan(2 * 1000);
    assertThat(pixels(image, HeatMap.color(1))).isGreaterThan(2 * 1000);
    assertThat(pixels(image, HeatMap.color(0.25))).isGreaterThan(2 * 1000);
    assertThat(pixels(image, HeatMap.color(0.75))).isGreaterThan(2 * 1000);
  }

  private static long pixels(BufferedImage image, Color color) {
    long count = 0;
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        count += image.getRGB(x, y) == color.getRGB() ? 1 : 0;
      }
    }
    return count;
  }

  @Test
  void theScaleBeginsDarkAndEndsBright() {
    assertThat(HeatMap.color(0)).isEqualTo(new Color(0x440154));
    assertThat(HeatMap.color(0.5)).isEqualTo(new Color(0x21918C));
    assertThat(HeatMap.color(1)).isEqualTo(new Color(0xFDE725));
  }
}
