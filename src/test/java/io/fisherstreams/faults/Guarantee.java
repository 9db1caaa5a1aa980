package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.fisher.FisherMerge;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.gradient.EstimatedSums;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
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

  /**
   * The newest record of each key of the base model's shards has what was published.
   *
   * @param newest values as they lie in the topic, null for a tombstone
   */
  record NoAcceptedShardIsCompactedAway(
      Map<ShardKey, byte[]> newest, Topic<ShardKey, CheckpointShard> topic, Model base)
      implements Guarantee {
    @Override
    public void assertHolds() {
      try (Checkpoint checkpoint = Checkpoint.open(base.checkpoint())) {
        newest.forEach(
            (key, value) -> {
              assertThat(value).as(key.toString()).isNotNull();
              Shard shard = new Shard(checkpoint.tensors().get(key.parameter()), key.shard());
              assertThat(topic.value().deserializer().deserialize(topic.name(), value).getData())
                  .as(key.toString())
                  .isEqualTo(
                      checkpoint.slice(key.parameter(), shard.firstElement(), shard.elements()));
            });
      }
    }

    @Override
    public String name() {
      return "no accepted shard is compacted away";
    }
  }

  /**
   * A complete release has every shard of the base once, and they match its checksum.
   *
   * @param base its tensors
   */
  record ReleaseIsComplete(Release release, ReleaseReader reader, Collection<TensorInfo> base)
      implements Guarantee {
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
      for (TensorInfo tensor : base) {
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
      Map<String, float[]> released =
          new ReleaseIsComplete(release, reader, Model.TENSORS).tensors();
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
            Model.isMerged(tensor) ? merge(tensor, planned) : Model.read(base.checkpoint(), tensor);
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
        if (Model.isMerged(tensor)) {
          for (float sum : model.fisherSum(tensor)) {
            double entry = sum / (double) model.examples();
            squares += entry * entry;
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
        ByteBuffer theta = bytes(Model.read(file(model).checkpoint(), tensor));
        ByteBuffer sums = bytes(file(model).fisherSum(tensor));
        merge.add(new Term(DType.F32, theta, sums, file(model).examples(), model.getWeight()));
      }
      double[] merged = new double[elements];
      merge.finish(merged);
      float[] rounded = new float[elements];
      for (int j = 0; j < elements; j++) {
        rounded[j] = (float) merged[j];
      }
      return rounded;
    }

    private static ByteBuffer bytes(float[] values) {
      ByteBuffer bytes =
          ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(values);
      return bytes;
    }

    @Override
    public String name() {
      return "released bytes are those of the undisturbed merge";
    }
  }

  /**
   * The stage's own sum of a model's gradient batches is there once for every shard, stands for all
   * their examples, and is the sum of what was published.
   *
   * @param sums the committed records of {@code gradient-batches} that the stage sent itself
   */
  record NoBatchIsLostOrCountedTwice(Model model, long version, List<GradientBatch> sums)
      implements Guarantee {
    @Override
    public void assertHolds() {
      Map<String, GradientBatch> byShard = new HashMap<>();
      for (GradientBatch sum : sums) {
        if (sum.getModel().equals(model.name()) && sum.getVersion() == version) {
          String shard = Shard.id(sum.getParameter(), sum.getShard());
          assertThat(byShard.put(shard, sum)).as("second sum of " + shard).isNull();
        }
      }
      for (TensorInfo tensor : Model.TENSORS) {
        for (int index = 0; Model.isMerged(tensor) && index < Shard.count(tensor); index++) {
          Shard shard = new Shard(tensor, index);
          GradientBatch sum = byShard.remove(shard.id());
          assertThat(sum).as("sum of " + shard.id() + " of " + model.name()).isNotNull();
          assertThat(sum.getExamples()).isEqualTo(model.examples());
          float[] found = new float[shard.elements()];
          sum.getData().duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(found);
          int first = (int) shard.firstElement();
          assertThat(
                  Arrays.equals(
                      found,
                      Arrays.copyOfRange(model.fisherSum(tensor), first, first + shard.elements())))
              .as("sum of " + shard.id() + " of " + model.name())
              .isTrue();
        }
      }
      assertThat(byShard).isEmpty();
    }

    @Override
    public String name() {
      return "no gradient batch is lost or counted twice";
    }
  }

  /**
   * A model's gradient batches stand for every example once in each shard, and their mean is the
   * Fisher that is known from elsewhere.
   *
   * @param sums of the gradient stage, or what the merge stage accumulated of them
   * @param conformance the case that its examples repeat
   */
  record EveryExampleCountsOnce(
      EstimatedSums sums, long examples, String conformance, String estimator)
      implements Guarantee {
    private static final double TOLERANCE = 1e-4;

    @Override
    public void assertHolds() {
      Map<String, Long> counts = sums.counts();
      assertThat(counts).isNotEmpty();
      assertThat(counts.values()).containsOnly(examples);
      Map<String, Double> errors = sums.errors(conformance, estimator);
      assertThat(errors.values()).isNotEmpty().allMatch(error -> error < TOLERANCE);
    }

    @Override
    public String name() {
      return "no example is lost or counted twice";
    }
  }

  /** A release has the bytes that a run without any fault gave the same models. */
  record BytesAreThoseOfTheUndisturbedRun(Release release, String undisturbedChecksum)
      implements Guarantee {
    @Override
    public void assertHolds() {
      assertThat(release.getChecksum())
          .as("checksum of release %d", release.getRelease())
          .isEqualTo(undisturbedChecksum);
    }

    @Override
    public String name() {
      return "merged bytes equal the undisturbed run's";
    }
  }

  /**
   * Once the fault is over, and without help, the newest release is complete and of the models that
   * the pool should have.
   */
  record ProgressResumesByItself(Set<String> models, SortedMap<Long, Release> releases)
      implements Guarantee {
    @Override
    public void assertHolds() {
      Release newest = releases.get(releases.lastKey());
      assertThat(newest.getStatus()).isEqualTo(ReleaseStatus.COMPLETE);
      Set<String> merged = new HashSet<>();
      newest.getPlan().getModels().forEach(planned -> merged.add(planned.getModel()));
      assertThat(merged).isEqualTo(models);
    }

    @Override
    public String name() {
      return "progress resumes by itself";
    }
  }

  /** Exactly the bad records were rejected, each with a reason. */
  record OnlyBadRecordsAreRejected(int bad, List<String> reasons) implements Guarantee {
    @Override
    public void assertHolds() {
      assertThat(reasons).hasSize(bad).allSatisfy(reason -> assertThat(reason).isNotBlank());
    }

    @Override
    public String name() {
      return "exactly the bad records are rejected";
    }
  }

  /** Nothing was rejected but records of versions that were replaced or withdrawn meanwhile. */
  record OnlyOvertakenRecordsAreRejected(List<String> reasons) implements Guarantee {
    @Override
    public void assertHolds() {
      assertThat(reasons)
          .allMatch(
              reason ->
                  reason.contains(" is stale: the current version is ")
                      || reason.contains(" is unknown or withdrawn"));
    }

    @Override
    public String name() {
      return "only records of replaced and withdrawn versions are rejected";
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
      assertThat(status).contains("missing checkpoint shards: " + shard);
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
