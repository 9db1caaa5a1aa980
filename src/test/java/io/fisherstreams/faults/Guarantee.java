package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.checkpoint.TensorInfo;
import io.fisherstreams.fisher.FisherMerge;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.function.Function;

/** Something that the pipeline promises whatever is killed. */
interface Guarantee {
  /** Throws an {@link AssertionError} when it does not hold. */
  void assertHolds();

  /** In a few words. */
  String name();

  /** Every id up to the newest has exactly one outcome, and some release is complete. */
  record IdsGrowWithoutGap(SortedMap<Long, Release> releases) implements Guarantee {
    @Override
    public void assertHolds() {
      long expected = 1;
      for (Map.Entry<Long, Release> entry : releases.entrySet()) {
        assertThat(entry.getKey()).isEqualTo(expected++);
        assertThat(entry.getValue().getRelease()).isEqualTo(entry.getKey());
        assertThat(entry.getValue().getPlan().getRelease()).isEqualTo(entry.getKey());
        if (entry.getValue().getStatus() == ReleaseStatus.ABANDONED) {
          assertThat(entry.getValue().getReason()).isNotBlank();
        }
      }
      assertThat(releases.values())
          .anyMatch(release -> release.getStatus() == ReleaseStatus.COMPLETE);
    }

    @Override
    public String name() {
      return "ids grow without an unexplained gap";
    }
  }

  /** A complete release has every shard of the base once, and they match its checksum. */
  record ReleaseIsComplete(Release release, ReleaseReader reader) implements Guarantee {
    @Override
    public void assertHolds() {
      tensors();
    }

    /** The release's tensors, after the check. */
    Map<String, float[]> tensors() {
      Map<String, float[]> tensors = new HashMap<>();
      Set<String> seen = new HashSet<>();
      reader.read(
          release,
          tensor -> {
            assertThat(seen.add(tensor.getParameter() + tensor.getShard())).isTrue();
            put(tensors, tensor);
          });
      List<String> wanted = new ArrayList<>();
      for (TensorInfo tensor : Model.TENSORS) {
        for (int shard = 0; shard < Shard.count(tensor); shard++) {
          wanted.add(tensor.name() + shard);
        }
      }
      assertThat(seen).containsExactlyInAnyOrderElementsOf(wanted);
      return tensors;
    }

    private static void put(Map<String, float[]> tensors, MergedTensor tensor) {
      long elements = ReleaseReader.tensor(tensor).elements();
      float[] target =
          tensors.computeIfAbsent(tensor.getParameter(), name -> new float[(int) elements]);
      tensor
          .getData()
          .duplicate()
          .order(ByteOrder.LITTLE_ENDIAN)
          .asFloatBuffer()
          .get(target, tensor.getShard() * Shard.ELEMENTS, tensor.getData().remaining() / 4);
    }

    @Override
    public String name() {
      return "a release is complete and of one plan";
    }
  }

  /**
   * A release's bytes are those of the undisturbed merge of the files that its plan names, with
   * weights from the norms of those files.
   *
   * @param files the published files by {@code model@version}
   */
  record ReleasedBytesAreThoseOfTheFiles(
      Release release, ReleaseReader reader, Model base, Function<String, Model> files)
      implements Guarantee {
    private static final double EPSILON = 1e-6;

    @Override
    public void assertHolds() {
      Map<String, float[]> released = new ReleaseIsComplete(release, reader).tensors();
      List<PlannedModel> planned = release.getPlan().getModels();
      for (PlannedModel model : planned) {
        assertThat(model.getCoefficient()).isEqualTo(1.0 / planned.size());
        double norm = norm(file(model));
        assertThat(model.getFisherNorm()).isCloseTo(norm, within(1e-12 * norm));
        assertThat(model.getWeight())
            .isEqualTo(model.getCoefficient() / (model.getFisherNorm() + EPSILON));
      }
      for (TensorInfo tensor : Model.TENSORS) {
        float[] expected =
            tensor.name().startsWith("head")
                ? Model.read(base.checkpoint(), tensor)
                : merge(tensor, planned);
        assertThat(Arrays.equals(released.get(tensor.name()), expected))
            .as("release %d: %s", release.getRelease(), tensor.name())
            .isTrue();
      }
    }

    private Model file(PlannedModel model) {
      return files.apply(model.getModel() + "@" + model.getVersion());
    }

    private static double norm(Model model) {
      double squares = 0;
      for (TensorInfo tensor : Model.TENSORS) {
        if (!tensor.name().startsWith("head")) {
          for (float entry : Model.read(model.fisher(), tensor)) {
            squares += (double) entry * entry;
          }
        }
      }
      return Math.sqrt(squares);
    }

    private float[] merge(TensorInfo tensor, List<PlannedModel> planned) {
      int elements = (int) tensor.elements();
      FisherMerge merge = new FisherMerge(elements, EPSILON);
      merge.begin(elements);
      for (PlannedModel model : planned) {
        float[] theta = Model.read(file(model).checkpoint(), tensor);
        float[] fisher = Model.read(file(model).fisher(), tensor);
        merge.add(theta, fisher, 1, model.getWeight());
      }
      double[] merged = new double[elements];
      merge.finish(merged);
      float[] rounded = new float[elements];
      for (int j = 0; j < elements; j++) {
        rounded[j] = (float) merged[j];
      }
      return rounded;
    }

    @Override
    public String name() {
      return "released bytes are those of the undisturbed merge";
    }
  }

  /** A model that lacks a shard is in no release, and {@code status} names the shard. */
  record IncompleteModelStaysOut(
      String model, String shard, SortedMap<Long, Release> releases, String status)
      implements Guarantee {
    @Override
    public void assertHolds() {
      assertThat(releases.values())
          .noneMatch(
              release ->
                  release.getPlan().getModels().stream()
                      .anyMatch(planned -> planned.getModel().equals(model)));
      assertThat(status).contains("missing: " + shard);
    }

    @Override
    public String name() {
      return "a model with a missing shard is in no release";
    }
  }

  /** What was published again made neither a plan nor a release. */
  record ResendingChangesNothing(
      SortedMap<Long, Release> before, SortedMap<Long, Release> after, long deadLetters)
      implements Guarantee {
    @Override
    public void assertHolds() {
      assertThat(after).isEqualTo(before);
      assertThat(deadLetters).isZero();
    }

    @Override
    public String name() {
      return "a resend changes nothing";
    }
  }
}
