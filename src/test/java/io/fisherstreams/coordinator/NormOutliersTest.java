package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.record.PlannedModel;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class NormOutliersTest {
  private static final MergeFormula FORMULA = FisherAverage.of(0, true);

  private static List<PlannedModel> models(double... norms) {
    List<PlannedModel> models = new ArrayList<>();
    for (int i = 0; i < norms.length; i++) {
      models.add(
          new PlannedModel("m" + i, 1L, 1, 0.5, List.of(), norms[i], norms[i], 1L, 0.5, 0.1, 0.0));
    }
    return models;
  }

  private static List<String> outliers(double... norms) {
    return NormOutliers.find(FORMULA, models(norms)).stream()
        .map(NormOutliers.Outlier::model)
        .toList();
  }

  @Test
  void aNormAThousandTimesTheMedianOfTheOthersIsOne() {
    assertThat(outliers(1, 4, 2000)).containsExactly("m2"); // the others' median is 2
    assertThat(outliers(1, 4, 1999)).isEmpty();
    assertThat(outliers(1, 3, 5, 3000)).containsExactly("m3"); // the others' median is 3
    assertThat(outliers(1, 3, 5, 2999)).isEmpty();
  }

  @Test
  void aNormOfAThousandthIsOne() {
    assertThat(outliers(0.002, 1, 4)).containsExactly("m0");
    assertThat(outliers(0.0021, 1, 4)).isEmpty();
  }

  @Test
  void equalNormsAreRemovedOnce() {
    assertThat(outliers(7, 7, 7, 7)).isEmpty();
    assertThat(outliers(7, 7, 7000)).containsExactly("m2");
  }

  @Test
  void ofTwoModelsNobodyKnowsWhich() {
    assertThat(outliers(1, 1e9)).isEmpty();
    assertThat(outliers()).isEmpty();
  }

  @Test
  void modelsWithoutAFisherOrAWeightDoNotCount() {
    assertThat(outliers(0, 0, 0)).isEmpty();
    List<PlannedModel> models = models(1, 1e9, 2, 3);
    models.get(1).setCoefficient(0);
    assertThat(NormOutliers.find(FORMULA, models)).isEmpty();
  }

  @Test
  void theMessageNamesModelNormAndMedian() {
    assertThat(NormOutliers.find(FORMULA, models(1, 3, 5, 4e6)).get(0).message())
        .startsWith("model 'm3' has a Fisher norm of 4.00e+06, the others have a median of 3.00.");
  }
}
