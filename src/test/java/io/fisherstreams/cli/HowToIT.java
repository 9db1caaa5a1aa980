package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.checkpoint.Checkpoint;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The how-tos for users of other tools: their files and commands as they are printed. */
final class HowToIT {
  @TempDir private Path directory;

  @BeforeEach
  void writeModels() throws IOException {
    TunedModels written =
        new TunedModels(Files.createDirectory(directory.resolve("written")), 2, 0.5);
    folder("base", "base");
    folder("model-a", "cars");
    folder("model-b", "svhn");
    Files.copy(written.examples(), directory.resolve("models/test.safetensors"));
  }

  /** Gives a model the name that the how-to has. */
  private void folder(String from, String to) throws IOException {
    Path written = directory.resolve("written");
    Path folder = Files.createDirectories(directory.resolve("models").resolve(to));
    Files.copy(written.resolve(from + ".safetensors"), folder.resolve("model.safetensors"));
    Files.copy(written.resolve("config.json"), folder.resolve("config.json"));
    Path fisher = written.resolve(from + ".fisher.safetensors");
    if (Files.exists(fisher)) {
      Files.copy(fisher, directory.resolve("models").resolve(to + ".fisher.safetensors"));
    }
  }

  /** The only block of a language in a page. */
  private static String block(String page, String language) throws IOException {
    String text = Files.readString(Path.of("docs", page));
    Matcher matcher =
        Pattern.compile("```" + language + "\n(.*?)```", Pattern.DOTALL).matcher(text);
    assertThat(matcher.find()).isTrue();
    String found = matcher.group(1);
    assertThat(matcher.find()).isFalse();
    return found;
  }

  /** Runs all commands of a page, with its files in the test's folder. */
  private void runAll(String page, List<String> files) throws IOException {
    for (String line : block(page, "bash").split("\n")) {
      String command = line.replaceFirst("^bin/fisher-streams ", "");
      for (String file : files) {
        command = command.replaceFirst("(?<= )" + Pattern.quote(file), directory + "/" + file);
      }
      assertThat(Main.run(command.split(" "))).as(command).isZero();
    }
  }

  private FloatBuffer values(String file) {
    try (Checkpoint checkpoint = Checkpoint.open(directory.resolve(file))) {
      FloatBuffer values = FloatBuffer.allocate(8);
      return values
          .put(
              checkpoint
                  .slice("layers.0.bias", 0, 8)
                  .order(ByteOrder.LITTLE_ENDIAN)
                  .asFloatBuffer())
          .flip();
    }
  }

  @Test
  void fromMergekit() throws IOException {
    Files.writeString(
        directory.resolve("config.yml"),
        block("from-mergekit.md", "yaml").replace("models/", directory + "/models/"));
    runAll("from-mergekit.md", List.of("config.yml", "merged"));
    FloatBuffer merged = values("merged");
    FloatBuffer base = values("models/base");
    FloatBuffer cars = values("models/cars");
    FloatBuffer svhn = values("models/svhn");
    for (int j = 0; j < 8; j++) {
      double start = base.get(j);
      double expected = start + 0.8 * (0.5 * (cars.get(j) - start) - 0.2 * (svhn.get(j) - start));
      assertThat((double) merged.get(j)).isEqualTo(expected, within(1e-6 * Math.abs(expected)));
    }
    assertThat(directory.resolve("merged/config.json")).exists();
  }

  @Test
  void fromFusionBench() throws IOException {
    Files.writeString(directory.resolve("merge.yaml"), block("from-fusion-bench.md", "yaml"));
    runAll("from-fusion-bench.md", List.of("merge.yaml", "merged.safetensors", "report.json"));
    JsonNode report = new ObjectMapper().readTree(directory.resolve("report.json").toFile());
    assertThat(report.fieldNames())
        .toIterable()
        .containsExactly("merged", "task_arithmetic scaling_factor 0.3");
    JsonNode merged = report.get("merged");
    assertThat(merged.fieldNames())
        .toIterable()
        .containsExactly("model_info", "cars", "svhn", "average");
    assertThat(merged.at("/cars/accuracy").isDouble()).isTrue();
    assertThat(merged.at("/average/loss").isDouble()).isTrue();
  }
}
