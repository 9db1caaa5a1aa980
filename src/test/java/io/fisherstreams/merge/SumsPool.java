package io.fisherstreams.merge;

import io.fisherstreams.fisher.GroupedModel;
import io.fisherstreams.fisher.GroupedModel.Part;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.UnchangedParameters;
import io.fisherstreams.record.UnchangedWeight;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.SortedMap;
import java.util.SplittableRandom;
import java.util.TreeMap;

/**
 * Partition 0 of a pool, and what a publisher and the coordinator do for it. A model's content
 * follows from its name, version and epoch alone, so two pools with the same models are the same. A
 * model whose name begins with {@link #ADAPTER} leaves one of the two parameters as the base has
 * it.
 */
final class SumsPool implements AutoCloseable {
  /** Elements of a shard with more than one block. */
  static final int LARGE = ShardMerge.BLOCK + 1_001;

  static final String ADAPTER = "adapter";

  private static final int MAX_CALLS = 30;

  private static final List<Parameter> PARAMETERS =
      List.of(
          new Parameter("large", "BF16", List.of((long) LARGE), true),
          new Parameter("small", "F32", List.of(77L), true));

  /**
   * A model of a pool.
   *
   * @param coefficient λ, null for the method's default
   * @param inSmall λ in the group that the parameter "small" is, null for the same
   */
  record Model(String name, long version, int epoch, Double coefficient, Double inSmall) {
    Model(String name, long version, int epoch, Double coefficient) {
      this(name, version, epoch, coefficient, null);
    }

    Model withEpoch(int other) {
      return new Model(name, version, other, coefficient, inSmall);
    }

    Model withCoefficient(Double other) {
      return new Model(name, version, epoch, other, inSmall);
    }

    Model withSmall(Double other) {
      return new Model(name, version, epoch, coefficient, other);
    }
  }

  private static final ParameterGroups GROUPS =
      ParameterGroups.of(List.of(new ParameterGroups.Group("small", "small$")));

  final MergeStageDriver stage;
  private final SortedMap<String, Model> models = new TreeMap<>();
  private final Map<String, Long> retired = new TreeMap<>();
  private final UnchangedWeight unchanged;
  private MergeFormula formula;
  private ParameterGroups groups = ParameterGroups.NONE;
  private double scale = 1;
  private long release;

  SumsPool(Path directory, MergeFormula formula, UnchangedWeight unchanged) {
    this(directory, formula, unchanged, LocalPayloads.ALL);
  }

  SumsPool(Path directory, MergeFormula formula, UnchangedWeight unchanged, LocalPayloads local) {
    this.formula = formula;
    this.unchanged = unchanged;
    stage = new MergeStageDriver(directory, 1, local);
    stage.announce(
        stage.manifest("base", 1, PARAMETERS.toArray(Parameter[]::new)).setRole(Role.BASE).build());
    checkpoint("base", 1);
  }

  SortedMap<String, Model> models() {
    return models;
  }

  /** From the next plan on. */
  void use(MergeFormula other) {
    formula = other;
  }

  /** The Fishers of models that arrive from now on are larger by this factor. */
  void scaleFishers(double factor) {
    scale = factor;
  }

  private static double[] random(String what, int elements, double low, double high) {
    SplittableRandom random = new SplittableRandom(what.hashCode());
    double[] values = new double[elements];
    for (int j = 0; j < elements; j++) {
      values[j] = low + (high - low) * random.nextDouble();
    }
    return values;
  }

  private static ByteBuffer bytes(DType type, double[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * type.bytes());
    FloatCodec.fromDouble(type, values, 0, values.length, bytes, 0);
    return bytes.order(ByteOrder.LITTLE_ENDIAN);
  }

  private static List<Parameter> parameters(String model) {
    return PARAMETERS.subList(0, model.startsWith(ADAPTER) ? 1 : PARAMETERS.size());
  }

  private void checkpoint(String name, long version) {
    for (Parameter parameter : parameters(name)) {
      double[] theta = random(name + version + parameter.getName(), elements(parameter), -1.5, 1.5);
      DType type = DType.valueOf(parameter.getDtype());
      stage.checkpoint(name, version, parameter.getName(), 0, bytes(type, theta));
    }
  }

  private static int elements(Parameter parameter) {
    return Math.toIntExact(parameter.getShape().get(0));
  }

  private void gradients(Model model, int epoch) {
    for (Parameter parameter : parameters(model.name)) {
      String name = parameter.getName();
      double[] squares =
          random(model.name + model.version + name + epoch, elements(parameter), -0.2, 1);
      for (int j = 0; j < squares.length; j++) {
        double root = Math.max(0, squares[j] * squares[j] * squares[j]);
        squares[j] = scale * root * root;
      }
      stage.gradients(
          new GradientBatch(
              model.name,
              model.version,
              name,
              0,
              "s",
              (long) epoch,
              3L,
              Encoding.SQUARED_SUM,
              ByteBuffer.allocate(0),
              bytes(DType.F32, squares)));
    }
  }

  /** A model arrives with all its epochs; it replaces an earlier version. */
  void arrive(Model model) {
    Model before = models.put(model.name, model);
    stage.announce(
        stage
            .manifest(model.name, model.version, parameters(model.name).toArray(Parameter[]::new))
            .setUnchanged(
                model.name.startsWith(ADAPTER)
                    ? new UnchangedParameters(1L, List.of(PARAMETERS.get(1).getName()))
                    : null)
            .setExamples(3)
            .setRefineEvery(3)
            .setDecay(0.75)
            .build());
    checkpoint(model.name, model.version);
    for (int epoch = 1; epoch <= model.epoch; epoch++) {
      gradients(model, epoch);
    }
    if (before != null) {
      retired.put(before.name, before.version);
    }
  }

  /** All shards and Fishers of a model come again. */
  void sendAgain(String name) {
    Model model = models.get(name);
    checkpoint(name, model.version);
    for (int epoch = 1; epoch <= model.epoch; epoch++) {
      gradients(model, epoch);
    }
  }

  /** A model gets its next epoch. */
  void refine(String name) {
    Model model = models.get(name).withEpoch(models.get(name).epoch + 1);
    models.put(name, model);
    gradients(model, model.epoch);
  }

  void weigh(String name, Double coefficient) {
    models.put(name, models.get(name).withCoefficient(coefficient));
  }

  void weighSmall(String name, Double coefficient) {
    models.put(name, models.get(name).withSmall(coefficient));
  }

  /** From the next plan on, the parameter "small" is a group. */
  void group() {
    groups = GROUPS;
  }

  void withdraw(String name) {
    retired.put(name, models.remove(name).version);
    stage.withdraw(name);
  }

  /** The plan of the present models; it is not carried out before time passes. */
  void plan() {
    SortedMap<String, GroupedModel> weighed = new TreeMap<>();
    models.forEach(
        (name, model) -> {
          double norm = 1 + new Random(Objects.hash(name, model.version, model.epoch)).nextDouble();
          double lambda =
              model.coefficient != null
                  ? model.coefficient
                  : formula.defaultCoefficient(models.size());
          MergeFormula.Model whole = new MergeFormula.Model(lambda, 1000 * norm, norm, LARGE + 77);
          weighed.put(
              name,
              model.inSmall == null
                  ? GroupedModel.of(whole)
                  : new GroupedModel(
                      whole,
                      List.of(model.inSmall),
                      List.of(new Part(77 * norm, 77), new Part(923 * norm, LARGE))));
        });
    List<PlannedModel> planned = PlannedModels.weigh(formula, weighed);
    for (PlannedModel model : planned) {
      model.setVersion(models.get(model.getModel()).version);
      model.setEpoch(models.get(model.getModel()).epoch);
    }
    List<RetiredModel> gone = new ArrayList<>();
    retired.forEach((name, version) -> gone.add(new RetiredModel(name, version)));
    release++;
    stage
        .stage()
        .pipe(
            stage.topics().mergePlans(),
            "plan",
            new MergePlan(
                release,
                Instant.EPOCH,
                "",
                "base",
                1L,
                MergeMethods.of(formula, List.of(), null, unchanged, groups),
                planned,
                gone,
                release,
                false,
                List.of(),
                List.of(),
                1.0,
                false));
  }

  /** One short step. */
  void step() {
    stage.stage().advance(Duration.ofMillis(10));
  }

  /** The shards of the present release that have come out since the last call. */
  Map<String, ByteBuffer> merged() {
    Map<String, ByteBuffer> merged = new LinkedHashMap<>();
    for (MergedTensor tensor : stage.stage().values(stage.topics().mergedTensors())) {
      if (tensor.getRelease() == release) {
        merged.put(tensor.getParameter(), tensor.getData());
      }
    }
    return merged;
  }

  /** Plans, and carries the plan out. */
  Map<String, ByteBuffer> release() {
    plan();
    return carryOut();
  }

  /** Carries the plan out. */
  Map<String, ByteBuffer> carryOut() {
    Map<String, ByteBuffer> merged = new LinkedHashMap<>();
    for (int i = 0; i < MAX_CALLS && merged.size() < PARAMETERS.size(); i++) {
      stage.work();
      merged.putAll(merged());
    }
    stage.work(); // what is retired
    if (merged.size() != PARAMETERS.size() || !stage.reasons().isEmpty()) {
      throw new AssertionError("release " + release + " has " + merged.keySet());
    }
    return merged;
  }

  @Override
  public void close() {
    stage.close();
  }
}
