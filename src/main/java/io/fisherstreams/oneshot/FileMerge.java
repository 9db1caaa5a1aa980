package io.fisherstreams.oneshot;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.GroupedModel;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.merge.PlanFactors;
import io.fisherstreams.merge.RepeatedSums;
import io.fisherstreams.merge.ShardElements;
import io.fisherstreams.merge.ShardInput;
import io.fisherstreams.merge.ShardMerge;
import io.fisherstreams.merge.ShardSums;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.publish.BaseModel;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseDigest;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseExporter.Output;
import io.fisherstreams.release.ReleaseTensors;
import io.fisherstreams.release.ReleaseWriter;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/**
 * Merges straight from the files, shard by shard, on several threads. It uses the arithmetic of the
 * merge stage, so it writes the bytes that a pool's release of the same models has. Memory holds
 * one shard a thread, whatever the size and number of the models.
 */
final class FileMerge {
  private final MergeFile file;
  private final Preflight.Report report;
  private final ModelManifest base;
  private final MergeKernel.Factory kernels;
  private final int threads;
  private final ParameterGroups groups;

  /**
   * A merge whose files were checked.
   *
   * @param report of these files, with every Fisher that the methods read
   * @param base the base's manifest, with its tensors
   * @param kernels makes what adds models; the result does not depend on it
   * @param threads at least 1; the result does not depend on them
   */
  FileMerge(
      MergeFile file,
      Preflight.Report report,
      ModelManifest base,
      MergeKernel.Factory kernels,
      int threads) {
    this.file = file;
    this.report = report;
    this.base = base;
    this.kernels = kernels;
    this.threads = threads;
    groups = file.method().groups();
  }

  /** Bytes that a merge reads and {@link #run} counts. */
  long bytes(MergeFormula formula) {
    return report.base().tensors().stream()
        .mapToLong(tensor -> bytes(formula, tensor.name(), tensor.bytes(), tensor.elements()))
        .sum();
  }

  private long bytes(MergeFormula formula, String name, long own, long elements) {
    long fisher = formula.readsFishers() ? elements * Float.BYTES : 0;
    long owners =
        report.base().mergeSet().merges(name)
            ? file.models().stream().filter(model -> !isUnchanged(model.name(), name)).count()
            : 0;
    return own + owners * (own + fisher);
  }

  private boolean isUnchanged(String model, String parameter) {
    return report.models().get(model).unchanged().contains(parameter);
  }

  /** The tensors of a release by a method. */
  List<TensorInfo> tensors(MergeMethod method) {
    return base.getParameters().stream()
        .map(parameter -> ReleaseTensors.of(parameter, method))
        .toList();
  }

  /**
   * Merges and writes.
   *
   * @param method its patterns must be those of the checked file
   * @param coefficients of the models that get others than the file gives them
   * @param repeated sums that earlier merges have kept
   * @param progress receives the bytes of each shard after it was merged, from any thread
   * @throws InvalidInput when the merged model is not finite, or all weights are zero
   */
  Release run(
      MergeMethod method,
      Map<String, Coefficients> coefficients,
      Output output,
      RepeatedSums repeated,
      LongConsumer progress) {
    MergePlan plan = plan(method, coefficients);
    repeated.begin(terms(method));
    List<TensorInfo> tensors = tensors(method);
    List<Shard> shards = shards(report.base().tensors());
    Map<String, DType> types = new TreeMap<>();
    tensors.forEach(tensor -> types.put(tensor.name(), tensor.dtype()));
    AtomicLong checksum = new AtomicLong();
    AtomicLong unweighted = new AtomicLong();
    try (Checkpoint baseFile = Checkpoint.open(file.base());
        OpenModels models = new OpenModels(plan);
        ReleaseWriter writer = ReleaseWriter.open(plan.getRelease(), tensors, output);
        OrderedTasks tasks = new OrderedTasks(threads)) {
      tasks.forEach(
          shards.size(),
          () ->
              new Worker(plan, baseFile, models, repeated) {
                @Override
                public void run(int index) {
                  Shard shard = shards.get(index);
                  DType dtype = types.get(shard.tensor().name());
                  unweighted.addAndGet(merge(shard, dtype));
                  ByteBuffer merged = merged(shard, dtype);
                  writer.write(shard.tensor().name(), shard.index(), merged);
                  checksum.addAndGet(
                      ReleaseDigest.of(
                          shard.tensor().name(), shard.index(), PayloadFile.crc(merged)));
                  progress.accept(bytes(shard));
                }
              });
      Release release =
          new Release(
              plan.getRelease(),
              ReleaseStatus.COMPLETE,
              Instant.now(),
              "",
              plan,
              List.of(),
              (long) shards.size(),
              String.format(Locale.ROOT, "%016x", checksum.get()),
              unweighted.get(),
              null);
      writer.finish(release);
      return release;
    }
  }

  /** The terms of a sum depend on all settings but the scale, which the result is moved by. */
  private static String terms(MergeMethod method) {
    Map<String, String> keys = MergeMethods.keys(MergeMethods.formula(method));
    keys.remove("scale");
    return keys.toString();
  }

  private MergePlan plan(MergeMethod method, Map<String, Coefficients> coefficients) {
    MergeFormula formula = MergeMethods.formula(method);
    SortedMap<String, GroupedModel> models = new TreeMap<>();
    for (MergeFile.Model model : file.models()) {
      Coefficients given = coefficients.getOrDefault(model.name(), model.coefficients());
      models.put(
          model.name(),
          report.weighed(
              model.name(),
              given.orElse(formula.defaultCoefficient(file.models().size())),
              formula,
              groups,
              method.getUnchangedParameters()));
    }
    List<PlannedModel> planned = PlannedModels.weigh(formula, models);
    if (models.values().stream().noneMatch(model -> model.isWeighted(formula))) {
      throw new InvalidInput(Preflight.noWeight(file.file()));
    }
    return MergePlan.newBuilder()
        .setRelease(1)
        .setCreatedAt(Instant.now())
        .setBaseModel(base.getModel())
        .setBaseVersion(base.getVersion())
        .setMethod(method)
        .setModels(planned)
        .setRetired(List.of())
        .setLeftOut(List.of())
        .build();
  }

  private static List<Shard> shards(Collection<TensorInfo> tensors) {
    List<Shard> shards = new ArrayList<>();
    for (TensorInfo tensor : tensors) {
      for (int index = 0; index < Shard.count(tensor); index++) {
        shards.add(new Shard(tensor, index));
      }
    }
    return shards;
  }

  /** The files of a plan's models, open, in the plan's order. */
  private final class OpenModels implements AutoCloseable {
    private final List<Checkpoint> checkpoints = new ArrayList<>();
    private final List<Optional<Checkpoint>> fishers = new ArrayList<>();

    OpenModels(MergePlan plan) {
      Map<String, MergeFile.Model> models = new TreeMap<>();
      file.models().forEach(model -> models.put(model.name(), model));
      BaseModel baseModel = report.base();
      boolean readsFishers = MergeMethods.formula(plan.getMethod()).readsFishers();
      try {
        for (PlannedModel planned : plan.getModels()) {
          MergeFile.Model model = models.get(planned.getModel());
          checkpoints.add(baseModel.open(model.checkpoint()));
          fishers.add(
              readsFishers
                  ? file.fisher(model).map(path -> Checkpoint.openAs(path, ownNames(model.name())))
                  : Optional.empty());
        }
      } catch (RuntimeException e) {
        close();
        throw e;
      }
    }

    private Set<String> ownNames(String model) {
      Set<String> names = new TreeSet<>(report.base().mergeSet().names());
      names.removeAll(report.models().get(model).unchanged());
      return names;
    }

    @Override
    public void close() {
      checkpoints.forEach(Checkpoint::close);
      fishers.forEach(fisher -> fisher.ifPresent(Checkpoint::close));
    }
  }

  /** What one thread needs to merge shard after shard. */
  private abstract class Worker implements OrderedTasks.Task {
    private final ShardMerge arithmetic = new ShardMerge();
    private final float[] scratch = new float[ShardMerge.BLOCK];
    private final MergePlan plan;
    private final MergeFormula formula;
    private final PlanFactors factors;
    private final ShardSums sums;
    private final Checkpoint baseFile;
    private final OpenModels models;
    private final RepeatedSums repeated;

    Worker(MergePlan plan, Checkpoint baseFile, OpenModels models, RepeatedSums repeated) {
      this.repeated = repeated;
      this.plan = plan;
      this.baseFile = baseFile;
      this.models = models;
      formula = MergeMethods.formula(plan.getMethod());
      factors = new PlanFactors(formula, plan.getModels());
      sums = new ShardSums(formula, kernels);
    }

    @Override
    public void close() {
      sums.close();
    }

    private boolean merges(Shard shard) {
      return report.base().mergeSet().merges(shard.tensor().name());
    }

    /** Whether a model has a say in what it leaves as the base has it. */
    private boolean countsUnchanged() {
      return MergeMethods.weighsUnchanged(plan.getMethod());
    }

    /**
     * The indexes of the models that have a say in a shard; there are none when every λ is 0 there.
     */
    private List<Integer> members(Shard shard, int group) {
      List<Integer> members = new ArrayList<>();
      boolean isWeighted = false;
      for (int i = 0; i < plan.getModels().size(); i++) {
        PlannedModel model = plan.getModels().get(i);
        if (countsUnchanged() || !isUnchanged(model.getModel(), shard.tensor().name())) {
          members.add(i);
          isWeighted |= PlannedModels.coefficient(model, group) != 0;
        }
      }
      return isWeighted ? members : List.of();
    }

    /** Merges or copies one shard; returns how many of its entries have no weight. */
    long merge(Shard shard, DType dtype) {
      ShardElements own = elements(baseFile, shard);
      if (!merges(shard)) {
        arithmetic.copy(own, shard.elements(), dtype);
        return 0;
      }
      List<ShardInput> inputs = new ArrayList<>();
      int group = groups.indexOf(shard.tensor().name());
      List<Integer> members = members(shard, group);
      for (int i : members) {
        PlannedModel planned = plan.getModels().get(i);
        MergeFormula.Factors ofModel = factors.of(planned, group, members.size());
        if (isUnchanged(planned.getModel(), shard.tensor().name())) {
          inputs.add(ShardInput.unchanged(own, formula, ofModel));
          continue;
        }
        inputs.add(
            new ShardInput(
                elements(models.checkpoints.get(i), shard),
                models
                    .fishers
                    .get(i)
                    .map(fisher -> asFloat32(elements(fisher, shard)))
                    .map(entries -> new ShardInput.Fisher(entries, 1, ofModel.unit())),
                ofModel.weight()));
      }
      if (inputs.isEmpty()) {
        arithmetic.copy(own, shard.elements(), dtype);
        return 0;
      }
      return repeated.merge(
          arithmetic,
          sums,
          shard,
          formula.readsBase() ? Optional.of(own) : Optional.empty(),
          inputs,
          dtype);
    }

    /** The shard that was merged last. */
    ByteBuffer merged(Shard shard, DType dtype) {
      arithmetic
          .misfit()
          .ifPresent(
              misfit -> {
                throw new InvalidInput(
                    "the merged model is not finite: "
                        + misfit.text(shard, dtype, plan.getModels()));
              });
      return arithmetic.merged();
    }

    long bytes(Shard shard) {
      return FileMerge.this.bytes(formula, shard.tensor().name(), shard.bytes(), shard.elements());
    }

    private ShardElements elements(Checkpoint checkpoint, Shard shard) {
      String name = shard.tensor().name();
      DType type = checkpoint.tensors().get(name).dtype();
      return new ShardElements() {
        @Override
        public DType type() {
          return type;
        }

        @Override
        public ByteBuffer read(int first, int count, ByteBuffer into) {
          return checkpoint.slice(name, shard.firstElement() + first, count);
        }
      };
    }

    /** A pool has Fishers in float32, whatever type their file has. */
    private ShardElements asFloat32(ShardElements entries) {
      return entries.type() == DType.F32
          ? entries
          : new ShardElements() {
            @Override
            public DType type() {
              return DType.F32;
            }

            @Override
            public ByteBuffer read(int first, int count, ByteBuffer into) {
              ByteBuffer own = entries.read(first, count, into);
              FloatCodec.toFloat(entries.type(), own, 0, scratch, 0, count);
              into.duplicate()
                  .clear()
                  .order(ByteOrder.LITTLE_ENDIAN)
                  .asFloatBuffer()
                  .put(scratch, 0, count);
              return into;
            }
          };
    }
  }
}
