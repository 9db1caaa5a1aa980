package io.fisherstreams.oneshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.gate.GateOptions;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.ExampleSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The key {@code max_length} of a merge's models and of a gate's tasks. */
class MaxLengthTest {
  private static final Path MODEL =
      Path.of("src/test/resources/conformance/gradient/llama-lm").toAbsolutePath();
  private static final Path EXAMPLES = MODEL.resolve("examples.safetensors");

  @TempDir private Path directory;

  private MergeFile merge(String more) throws IOException {
    return MergeFile.read(
        Files.writeString(
            directory.resolve("merge.yaml"),
            """
            base: %1$s
            models:
              - name: a
                checkpoint: %1$s
                evaluation_examples: %2$s
            %3$smethod: {name: task_arithmetic}
            """
                .formatted(MODEL, EXAMPLES, more)));
  }

  private static List<List<Long>> shapes(ExampleSource source) {
    try (source) {
      return source.read(0, 6).stream()
          .map(example -> example.inputs().get("input_ids").shape())
          .distinct()
          .toList();
    }
  }

  @Test
  void cutsTheEvaluationExamplesOfAModel() throws IOException {
    try (EvaluationTasks whole = EvaluationTasks.open(merge(""), Optional.empty(), Compute.cpu());
        EvaluationTasks cut =
            EvaluationTasks.open(merge("    max_length: 5\n"), Optional.empty(), Compute.cpu())) {
      assertThat(shapes(whole.tasks().get(0).examples())).containsExactly(List.of(9L));
      assertThat(shapes(cut.tasks().get(0).examples())).containsExactly(List.of(5L));
    }
  }

  @Test
  void cutsTheExamplesOfAGatesTask() {
    GateOptions.Task task =
        new GateOptions.Task(
            "a", MODEL, EXAMPLES, Optional.empty(), Optional.empty(), OptionalInt.of(5));
    assertThat(shapes(task.openExamples())).containsExactly(List.of(5L));
  }

  @Test
  void isAtLeastOne() {
    assertThatThrownBy(() -> merge("    max_length: 0\n"))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("max_length: is '0', expected a whole number of at least 1");
  }
}
