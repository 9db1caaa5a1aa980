package io.fisherstreams.release;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yaml.snakeyaml.Yaml;

class ModelCardTest {
  @TempDir private Path folder;

  private static String card(MergeFormula formula, Optional<BaseCard> base) {
    return ModelCard.of(
        Release.newBuilder()
            .setRelease(3)
            .setSlices(List.of())
            .setStatus(ReleaseStatus.COMPLETE)
            .setAt(Instant.parse("2026-01-02T03:04:05Z"))
            .setPlan(
                MergePlan.newBuilder()
                    .setRelease(3)
                    .setCreatedAt(Instant.EPOCH)
                    .setBaseModel("base")
                    .setBaseVersion(7)
                    .setRetired(List.of())
                    .setMethod(MergeMethods.of(formula, List.of("head\\.", "it's"), null))
                    .setModels(
                        List.of(
                            new PlannedModel(
                                "org/cars", 4L, 1, 0.5, List.of(), 2.25, 1.0, 1L, 0.5, 0.75, 0.25),
                            new PlannedModel(
                                "no", 5L, 1, 0.25, List.of(), 1.5, 1.0, 1L, 0.25, 0.25, 0.5)))
                    .build())
            .build(),
        List.of(),
        TiedWeights.NONE,
        base);
  }

  private static Map<String, Object> metadata(String card) {
    Matcher block = Pattern.compile("\\A---\n(.*?)\n---\n", Pattern.DOTALL).matcher(card);
    assertThat(block.find()).isTrue();
    return new Yaml().load(block.group(1));
  }

  @Test
  void hubsFindBaseLibraryAndTheBasesLicense() throws IOException {
    Files.writeString(
        folder.resolve("README.md"),
        """
        ---
        license: other
        license_name: tiny-license
        license_link: https://example.org/license
        tags: [vision]
        ---
        # Base
        """);
    Files.writeString(
        folder.resolve("config.json"),
        "{\"model_type\": \"bert\", \"_name_or_path\": \"google/bert-base\"}");
    assertThat(metadata(card(new GradientMatching(1, 0.3), Optional.of(BaseCard.of(folder)))))
        .isEqualTo(
            Map.of(
                "base_model", List.of("google/bert-base", "org/cars", "no"),
                "library_name", "transformers",
                "license", "other",
                "license_name", "tiny-license",
                "license_link", "https://example.org/license",
                "tags", List.of("merge", "fisher-merging", "fisher-streams")));
  }

  @Test
  void aFolderWithoutCardOrWithABrokenOneGivesItsName() throws IOException {
    Path base = Files.createDirectory(folder.resolve("my-base"));
    assertThat(BaseCard.of(base)).isEqualTo(new BaseCard("my-base", Optional.empty(), Map.of()));
    Files.writeString(base.resolve("README.md"), "---\nlicense: [mit\n---\n");
    Files.write(base.resolve("config.json"), new byte[] {(byte) 0xFF});
    assertThat(BaseCard.of(base)).isEqualTo(new BaseCard("my-base", Optional.empty(), Map.of()));
    Files.writeString(base.resolve("README.md"), "---\nlicense: [mit, apache-2.0]\n---\n");
    Files.writeString(base.resolve("config.json"), "{\"_name_or_path\": \"/home/me/base\"}");
    assertThat(BaseCard.of(base).name()).isEqualTo("my-base");
    assertThat(metadata(card(new TaskArithmetic(1), Optional.of(BaseCard.of(base)))))
        .containsEntry("license", List.of("mit", "apache-2.0"))
        .doesNotContainKey("library_name");
  }

  @Test
  void theMergeYamlInsideIsOneThatMergeReads() throws IOException {
    for (MergeFormula formula :
        List.of(
            FisherAverage.of(1e-6, false),
            new FisherAverage(1.4, 0.5, FisherAverage.Unit.MEAN, 1e-3),
            new GradientMatching(0.8, 0.1),
            new TaskArithmetic(0.3))) {
      String card = card(formula, Optional.empty());
      Matcher block = Pattern.compile("```yaml\n(.*?)```", Pattern.DOTALL).matcher(card);
      assertThat(block.find()).isTrue();
      Path file = Files.writeString(folder.resolve("merge.yaml"), block.group(1));
      MergeFile read = MergeFile.read(file);
      assertThat(read.method().formula()).isEqualTo(formula);
      assertThat(read.method().excludeParamNamesRegex()).containsExactly("head\\.", "it's");
      assertThat(read.models().stream().map(MergeFile.Model::name))
          .containsExactly("org/cars", "no");
      assertThat(read.models().stream().map(read::coefficients))
          .containsExactly(Coefficients.of(0.5), Coefficients.of(0.25));
    }
  }

  @Test
  void saysHowMuchOfTheWeightsIsNotFisher() {
    assertThat(card(new GradientMatching(1, 0.3), Optional.empty()))
        .contains("- Part of the weights that is prior and not Fisher: 31.25%")
        .contains("| org/cars | 4 | 0.500000 | 75.00% | 1 | 2.25000 | 25.00% |");
    assertThat(card(new TaskArithmetic(0.3), Optional.empty()))
        .doesNotContain("not Fisher")
        .contains("| org/cars | 4 | 0.500000 | 75.00% |\n");
  }
}
