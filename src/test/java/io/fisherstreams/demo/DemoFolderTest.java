package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DemoFolderTest {
  @TempDir private Path temporary;

  @Test
  void theMergeFileLeadsToTheMergedModel() throws IOException {
    DemoFolder folder = new DemoFolder(temporary.resolve("out"));
    folder.write(SmallRun.result(6));
    JsonNode merge = new YAMLMapper().readTree(folder.mergeFile().toFile());
    double epsilon = merge.get("method").get("minimal_fisher_weight").asDouble();
    assertThat(epsilon).isEqualTo(1e-6);
    assertThat(merge.get("method").get("normalize_fisher_weight").asBoolean()).isTrue();
    assertThat(merge.get("models")).hasSize(5);
    Path pool = folder.mergeFile().getParent();
    try (Checkpoint merged = Checkpoint.open(folder.merged());
        Checkpoint base = Checkpoint.open(pool.resolve(merge.get("base").asText()))) {
      assertThat(merged.tensors()).isEqualTo(base.tensors());
      double[][] upper = zeros(merged);
      double[][] lower = zeros(merged);
      for (JsonNode model : merge.get("models")) {
        try (Checkpoint theta = Checkpoint.open(pool.resolve(model.get("checkpoint").asText()));
            Checkpoint fisher = Checkpoint.open(pool.resolve(model.get("fisher").asText()))) {
          double squares = 0;
          for (TensorInfo tensor : merged.tensors().values()) {
            for (double f : values(fisher, tensor)) {
              squares += f * f;
            }
          }
          int t = 0;
          for (TensorInfo tensor : merged.tensors().values()) {
            double[] f = values(fisher, tensor);
            double[] p = values(theta, tensor);
            for (int j = 0; j < f.length; j++) {
              double weight = (f[j] + epsilon) / (Math.sqrt(squares) + epsilon);
              upper[t][j] += weight * p[j];
              lower[t][j] += weight;
            }
            t++;
          }
        }
      }
      int t = 0;
      for (TensorInfo tensor : merged.tensors().values()) {
        double[] actual = values(merged, tensor);
        for (int j = 0; j < actual.length; j++) {
          assertThat(actual[j]).isCloseTo(upper[t][j] / lower[t][j], within(1e-6));
        }
        t++;
      }
    }
  }

  @Test
  void replacesAnEarlierRunAndLeavesNoOtherFiles() throws IOException {
    DemoFolder folder = new DemoFolder(temporary);
    Files.writeString(folder.report(), "an earlier one");
    DemoResult result = SmallRun.result(7);
    folder.write(result);
    folder.write(result);
    assertThat(Files.readString(folder.report())).startsWith("<!DOCTYPE html>");
    try (Stream<Path> files = Files.walk(temporary)) {
      assertThat(files.filter(Files::isRegularFile))
          .hasSize(3 + 2 + 4 * 6)
          .noneMatch(file -> file.getFileName().toString().startsWith("."));
    }
  }

  @Test
  void rejectsAFolderThatCannotBe() throws IOException {
    Path file = Files.createFile(temporary.resolve("file"));
    assertThatThrownBy(() -> new DemoFolder(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(file.toString());
  }

  private static double[][] zeros(Checkpoint checkpoint) {
    return checkpoint.tensors().values().stream()
        .map(tensor -> new double[(int) tensor.elements()])
        .toArray(double[][]::new);
  }

  private static double[] values(Checkpoint checkpoint, TensorInfo tensor) {
    double[] values = new double[(int) tensor.elements()];
    var bytes = checkpoint.slice(tensor.name(), 0, values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int j = 0; j < values.length; j++) {
      values[j] = bytes.getFloat(bytes.position() + j * Float.BYTES);
    }
    return values;
  }
}
