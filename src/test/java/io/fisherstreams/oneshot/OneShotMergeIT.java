package io.fisherstreams.oneshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.kernel.KernelName;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A one-shot merge without the command line, against values from an independent reference. */
final class OneShotMergeIT {
  private static final Path CASES = Path.of("src/test/resources/conformance/merge");

  @TempDir private Path directory;

  private final List<String> tasks = new ArrayList<>();
  private final List<String> warnings = new ArrayList<>();

  private final MergeListener listener =
      new MergeListener() {
        @Override
        public void note(String message) {}

        @Override
        public TaskProgress begin(String task, Unit unit) {
          tasks.add(task + " in " + unit);
          return TaskProgress.NONE;
        }

        @Override
        public void warn(String message) {
          warnings.add(message);
        }
      };

  private OneShotMerge.Inputs inputs(String name, Path output, boolean strict) {
    return new OneShotMerge.Inputs(
        MergeFile.read(CASES.resolve(name).resolve("merge.yaml")),
        output,
        Long.MAX_VALUE,
        Optional.empty(),
        strict,
        false,
        true,
        3,
        1,
        KernelName.AUTO,
        Optional.of(directory),
        GradientOptions.standard(),
        Optional.empty());
  }

  @Test
  void mergesAsTheReferenceDoesAndNotifiesItsListener() {
    Path output = directory.resolve("merged.safetensors");

    OneShotMerge.Result result =
        OneShotMerge.run(inputs("three-models-normalized", output, false), listener);

    assertThat(result.output()).isEqualTo(output);
    assertEqualsReference(output, CASES.resolve("three-models-normalized"));
    List<PlannedModel> models = result.release().getPlan().getModels();
    assertThat(models)
        .extracting(PlannedModel::getModel)
        .containsExactly("model-a", "model-b", "model-c");
    assertThat(models.stream().mapToDouble(PlannedModel::getShare).sum())
        .isCloseTo(1, within(1e-12));
    assertThat(result.release().getChecksum()).matches("[0-9a-f]{16}");
    assertThat(tasks)
        .containsExactly(
            "check in BYTES",
            "stream base in BYTES",
            "stream model-a in BYTES",
            "stream model-b in BYTES",
            "stream model-c in BYTES",
            "write " + output + " in BYTES");
    assertThat(warnings).isEmpty();
  }

  /** The share was computed from the files with NumPy. */
  @Test
  void warnsOfATakeoverAndMergesAllTheSame() {
    Path output = directory.resolve("merged.safetensors");

    OneShotMerge.Result result =
        OneShotMerge.run(inputs("tiny-fisher-normalized", output, false), listener);

    assertThat(warnings).hasSize(2);
    assertThat(warnings.get(0)).contains("model 'model-c' takes over the merge");
    assertThat(warnings.get(1)).contains("more than half of the weights", "model-c 100.00%");
    assertThat(result.release().getPlan().getModels())
        .filteredOn(model -> model.getModel().equals("model-c"))
        .singleElement()
        .satisfies(model -> assertThat(model.getShare()).isCloseTo(0.4861, within(5e-5)));
    assertEqualsReference(output, CASES.resolve("tiny-fisher-normalized"));
  }

  @Test
  void strictRejectsATakeoverBeforeItStreamsAnything() {
    Path output = directory.resolve("merged.safetensors");

    assertThatThrownBy(
            () -> OneShotMerge.run(inputs("tiny-fisher-normalized", output, true), listener))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll("rejected by --strict", "model-c");
    assertThat(output).doesNotExist();
    assertThat(tasks).containsExactly("check in BYTES");
  }

  @Test
  void rejectsAnOutputThatIsAnInputBeforeItReadsAnything() {
    Path model = CASES.resolve("three-models-plain/model-a.safetensors");

    assertThatThrownBy(() -> OneShotMerge.run(inputs("three-models-plain", model, false), listener))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("--output");
    assertThat(tasks).isEmpty();
  }

  /** The reference has float64 values of every merged parameter. */
  private static void assertEqualsReference(Path output, Path folder) {
    int compared = 0;
    try (Checkpoint merged = Checkpoint.open(output);
        Checkpoint expected = Checkpoint.open(folder.resolve("expected.safetensors"))) {
      for (TensorInfo tensor : merged.tensors().values()) {
        if (tensor.dtype() == DType.F32 && expected.tensors().containsKey(tensor.name())) {
          ByteBuffer found = values(merged, tensor);
          ByteBuffer wanted = values(expected, tensor);
          double largest = 0;
          double worst = 0;
          for (int i = 0; i < tensor.elements(); i++) {
            double value = wanted.getDouble(8 * i);
            largest = Math.max(largest, Math.abs(value));
            worst = Math.max(worst, Math.abs(found.getFloat(4 * i) - value));
            compared++;
          }
          assertThat(worst).as(tensor.name()).isLessThanOrEqualTo(1e-6 * largest);
        }
      }
    }
    assertThat(compared).isPositive();
  }

  private static ByteBuffer values(Checkpoint checkpoint, TensorInfo tensor) {
    return checkpoint
        .slice(tensor.name(), 0, (int) tensor.elements())
        .order(ByteOrder.LITTLE_ENDIAN);
  }
}
