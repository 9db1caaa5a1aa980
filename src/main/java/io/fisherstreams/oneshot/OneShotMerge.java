package io.fisherstreams.oneshot;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.coordinator.PoolViewReader;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.files.CleanUp;
import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.Shares;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.kernel.KernelName;
import io.fisherstreams.kernel.Kernels;
import io.fisherstreams.local.LocalPool;
import io.fisherstreams.local.NativeLibraries;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.merge.LocalPayloads;
import io.fisherstreams.merge.MergeOptions;
import io.fisherstreams.merge.RepeatedSums;
import io.fisherstreams.oneshot.MergeListener.Unit;
import io.fisherstreams.publish.BaseModel;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.Companions;
import io.fisherstreams.release.MergedTensors;
import io.fisherstreams.release.ReleaseExporter;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.Producer;

/**
 * Merges the models of a {@code merge.yaml} once. It checks all files. Then it merges straight from
 * them, or streams the models through the topics and stages of a pool made for this merge: on a
 * cluster, when the user wants it, and when Fishers are to be estimated. Both ways give the same
 * bytes.
 */
public final class OneShotMerge {
  /** Bytes of native libraries, stores and indexes, whatever the models' size. */
  private static final long STORES = 32 << 20;

  /** Further merges keep sums in this part of the memory. */
  private static final int KEPT_PART = 4;

  private final Inputs inputs;
  private final MergeFile file;
  private final MergeListener listener;
  private final Consumer<MergeSession> further;
  private Optional<Companions> companions;
  private BaseModel baseModel;

  private OneShotMerge(Inputs inputs, MergeListener listener, Consumer<MergeSession> further) {
    this.further = further;
    this.inputs = inputs;
    this.file = inputs.file();
    this.listener = listener;
  }

  /**
   * What is merged, where and how.
   *
   * @param file the models and the method
   * @param output a name that ends in {@code .safetensors} for one file, else a folder
   * @param partBytes largest size of a file of a folder
   * @param dtype type of all floating tensors; empty for the base's
   * @param strict whether a takeover, or an ε that is most of the weights, is an error instead of a
   *     warning
   * @param trustsCode whether Python files of the base's folder are copied
   * @param streams whether the models go through a pool even where the files alone would do
   * @param partitions of the pool's topics; the result does not depend on them
   * @param threads that merge; the result does not depend on them
   * @param kernel what computes the sums; the result does not depend on it
   * @param workDirectory where a pool's broker and stages keep their data; empty for the system's
   *     temporary folder
   * @param gradient how the gradient stage works on models that come with examples
   * @param cluster the cluster to use; empty for an embedded broker
   */
  public record Inputs(
      MergeFile file,
      Path output,
      long partBytes,
      Optional<DType> dtype,
      boolean strict,
      boolean trustsCode,
      boolean streams,
      int partitions,
      int threads,
      KernelName kernel,
      Optional<Path> workDirectory,
      GradientOptions gradient,
      Optional<Cluster> cluster) {
    /** Partitions of the pool's topics by default. */
    public static final int DEFAULT_PARTITIONS = 4;
  }

  /**
   * A Kafka cluster on which the merge makes a pool of its own, and deletes it afterwards.
   *
   * @param topics of a pool that does not exist yet
   * @param replication replication factor; empty for the brokers' default
   */
  public record Cluster(KafkaSettings kafka, PoolTopics topics, Optional<Short> replication) {}

  /**
   * A merge that is done.
   *
   * @param release with its plan and checksum
   * @param output the file or folder that was written
   * @param tensors how many were merged, and why others were not
   */
  public record Result(Release release, Path output, MergedTensors tensors) {}

  /**
   * Merges.
   *
   * @throws InvalidInput when a file cannot be used or the output cannot be written; nothing is
   *     written then
   */
  public static Result run(Inputs inputs, MergeListener listener) {
    return run(inputs, listener, session -> {});
  }

  /**
   * Merges, and then merges the same models in other ways: no tensor is streamed and no Fisher is
   * estimated again.
   *
   * @param further is called when the first merge is done
   * @throws InvalidInput as above
   */
  public static Result run(Inputs inputs, MergeListener listener, Consumer<MergeSession> further) {
    return new OneShotMerge(inputs, listener, further).run();
  }

  private Result run() {
    file.requireOther("--output", inputs.output());
    ReleaseExporter.requireWritable(inputs.output());
    companions = companions();
    Preflight.Report report = checkFiles();
    baseModel = report.base();
    MergeEstimation estimation = new MergeEstimation(file, baseModel, inputs.gradient(), listener);
    estimation.check();
    if (!inputs.streams() && inputs.cluster().isEmpty() && !estimation.isNeeded()) {
      return mergeFiles(report);
    }
    PlanPolicy policy = PlanPolicy.atOnce(modelNames());
    try (TemporaryDirectory directory =
        TemporaryDirectory.create(inputs.workDirectory().orElse(null))) {
      requireSpace(report, directory.path());
      NativeLibraries.load(
          directory.path().resolve("native"),
          "name another folder with --work-directory or TMPDIR");
      if (inputs.cluster().isPresent()) {
        return mergeOnCluster(inputs.cluster().get(), estimation, directory.path(), policy);
      }
      try (LocalPool pool =
          LocalPool.start(
              directory.path(), inputs.partitions(), inputs.threads(), mergeOptions(), policy)) {
        return pool.run(runner -> merge(estimation, runner, directory.path()));
      }
    }
  }

  private MergeOptions mergeOptions() {
    return new MergeOptions(inputs.kernel(), LocalPayloads.ALL);
  }

  private Result mergeFiles(Preflight.Report report) {
    DiskSpace.requireForOutput(inputs.output(), ReleaseExporter.bytes(baseModel.tensors()));
    ModelManifest base = baseManifest();
    FileMerge merge =
        new FileMerge(
            file, report, base, Kernels.of(inputs.kernel(), inputs.threads()), inputs.threads());
    Release release;
    try (TaskProgress progress = listener.begin("merge", Unit.BYTES)) {
      progress.total(merge.bytes(file.method().formula()));
      release = merge.run(base.getMethod(), Map.of(), output(), new RepeatedSums(0), progress::add);
      progress.done();
    }
    warnOfUnweighted(release);
    RepeatedSums repeated = new RepeatedSums(Runtime.getRuntime().maxMemory() / KEPT_PART);
    further.accept(
        (formula, coefficients, target) ->
            merge.run(
                MergeMethods.with(base.getMethod(), formula),
                coefficients,
                ReleaseExporter.Output.file(target),
                repeated,
                bytes -> {}));
    return new Result(release, inputs.output(), merged(merge.tensors(base.getMethod())));
  }

  private ReleaseExporter.Output output() {
    return new ReleaseExporter.Output(
        inputs.output(), inputs.partBytes(), companions, baseModel.ties());
  }

  private MergedTensors merged(List<TensorInfo> tensors) {
    return MergedTensors.of(tensors, file.method().excludeParamNamesRegex(), baseModel.ties());
  }

  private void warnOfUnweighted(Release release) {
    if (release.getUnweighted() > 0) {
      listener.warn(
          String.format(
              Locale.ROOT,
              "%d entries have Fisher 0 in every model and epsilon is 0; their merged value is the models' average by coefficient",
              release.getUnweighted()));
    }
  }

  private Set<String> modelNames() {
    return file.models().stream().map(MergeFile.Model::name).collect(Collectors.toSet());
  }

  /** The files of the base's folder that the output's folder gets too. */
  private Optional<Companions> companions() {
    if (ReleaseExporter.isFile(inputs.output())) {
      return Optional.empty();
    }
    if (!Files.isDirectory(file.base())) {
      listener.note(
          "the base is a file, so the output has no config.json and no tokenizer; name the base's folder to have them copied");
      return Optional.empty();
    }
    Companions found = Companions.of(file.base(), inputs.trustsCode());
    found.note().ifPresent(listener::note);
    return Optional.of(found);
  }

  private Preflight.Report checkFiles() {
    try (TaskProgress progress = listener.begin("check", Unit.BYTES)) {
      Preflight.Report report =
          Preflight.check(file, Runtime.getRuntime().availableProcessors(), progress::upTo);
      progress.done();
      report.notes().forEach(listener::note);
      report.base().exclusionWarnings().forEach(listener::warn);
      report(warnings(report.takeovers(), report.epsilonWarning()));
      return report;
    }
  }

  private static List<String> warnings(
      List<Shares.Takeover> takeovers, Optional<String> epsilonWarning) {
    return Stream.concat(takeovers.stream().map(Shares.Takeover::message), epsilonWarning.stream())
        .toList();
  }

  private void report(List<String> warnings) {
    warnings.forEach(listener::warn);
    if (inputs.strict() && !warnings.isEmpty()) {
      throw new InvalidInput("rejected by --strict: " + warnings.get(0));
    }
  }

  /** A merge writes about 9 bytes a parameter and model, the base's tensors, and the release. */
  private void requireSpace(Preflight.Report report, Path directory) {
    long base = ReleaseExporter.bytes(baseModel.tensors());
    long payloads = 9 * report.elements() * file.models().size();
    long work = STORES + payloads + (inputs.cluster().isEmpty() ? 2 * base : 0);
    Path workFolder = directory.toAbsolutePath().getParent();
    Path outputFolder = inputs.output().toAbsolutePath().normalize().getParent();
    boolean shared = DiskSpace.isShared(workFolder, outputFolder);
    DiskSpace.require(workFolder, work + (shared ? base : 0), "the merge", "--work-directory");
    DiskSpace.requireForOutput(inputs.output(), base);
  }

  @SuppressWarnings("try") // what is removed on a stop is only held
  private Result mergeOnCluster(
      Cluster cluster, MergeEstimation estimation, Path directory, PlanPolicy policy) {
    try (Admin admin = cluster.kafka().admin()) {
      PoolAdmin pool = new PoolAdmin(admin, cluster.topics());
      String name = "pool " + cluster.topics().pool() + " (topics delete --leftovers removes it)";
      try (CleanUp topics = CleanUp.onStop(name, () -> delete(cluster))) {
        pool.create(inputs.partitions(), cluster.replication());
        try (PoolRunner runner =
                PoolRunner.start(
                    cluster.kafka(),
                    cluster.topics(),
                    directory,
                    inputs.threads(),
                    mergeOptions(),
                    policy);
            CleanUp stages = CleanUp.onStop("the stages", runner::close)) {
          return merge(estimation, runner, directory);
        }
      } finally {
        if (!CleanUp.isStopping()) {
          pool.delete();
        }
      }
    }
  }

  /** With a client of its own, since the merge's may be closing. */
  private static void delete(Cluster cluster) {
    try (Admin admin = cluster.kafka().admin()) {
      new PoolAdmin(admin, cluster.topics()).delete();
    }
  }

  private Result merge(MergeEstimation estimation, PoolRunner runner, Path directory) {
    ModelManifest base;
    Release release;
    try (DeadLetterWatch watch = new DeadLetterWatch(runner.kafka(), runner.topics())) {
      base = publish(estimation, runner, directory, watch);
      release = new ReleaseWait(runner, watch).await(estimation.isNeeded());
    }
    if (estimation.isNeeded()) {
      report(warnings(runner));
    }
    warnOfUnweighted(release);
    MergedTensors tensors = write(release, base, runner);
    further.accept(new PoolSession(runner, base));
    return new Result(release, inputs.output(), tensors);
  }

  private static List<String> warnings(PoolRunner runner) {
    return PoolViewReader.read(runner.kafka(), runner.topics())
        .propose()
        .map(proposal -> warnings(proposal.takeovers(), proposal.epsilonWarning()))
        .orElse(List.of());
  }

  private MergedTensors write(Release release, ModelManifest base, PoolRunner runner) {
    ReleaseReader reader = new ReleaseReader(runner.kafka(), runner.topics());
    List<TensorInfo> tensors = reader.tensors(release, Optional.of(base));
    try (TaskProgress progress = listener.begin("write " + inputs.output(), Unit.BYTES)) {
      progress.total(ReleaseExporter.bytes(tensors));
      new ReleaseExporter(reader).export(release, tensors, output(), progress::add);
      progress.done();
    }
    return merged(tensors);
  }

  private ModelManifest publish(
      MergeEstimation estimation, PoolRunner runner, Path directory, DeadLetterWatch watch) {
    try (estimation;
        Producer<byte[], byte[]> producer = runner.kafka().newProducer();
        Checkpoint base = Checkpoint.open(file.base())) {
      if (estimation.isNeeded()) {
        estimation.start(runner, directory.resolve("gradient"));
      }
      Publisher publisher = new Publisher(runner.topics(), producer);
      ModelManifest manifest = baseManifest();
      publish(publisher, manifest, base, Optional.empty());
      for (MergeFile.Model model : file.models()) {
        if (file.estimates(model)) {
          estimation.estimate(model, publisher, watch);
        } else {
          publish(publisher, model);
        }
      }
      return manifest;
    }
  }

  private ModelManifest baseManifest() {
    MergeFile.Method method = file.method();
    return Manifests.base(
        baseName(),
        1,
        baseModel.tensors(),
        MergeMethods.of(
            method.formula(),
            method.excludeParamNamesRegex(),
            inputs.dtype().map(DType::name).orElse(null),
            method.unchangedParameters(),
            method.groups()),
        "");
  }

  /** A name that none of the models has. */
  private String baseName() {
    String name = "base";
    Set<String> taken = modelNames();
    while (taken.contains(name)) {
      name += "-model";
    }
    return name;
  }

  private void publish(Publisher publisher, MergeFile.Model model) {
    MergeSet mergeSet = baseModel.mergeSet();
    try (Checkpoint checkpoint = baseModel.open(model.checkpoint())) {
      ModelManifest.Builder manifest =
          Manifests.fineTuned(
              model.name(),
              1,
              checkpoint.ownTensors(),
              baseModel.unchanged(checkpoint, 1),
              mergeSet,
              false);
      publish(
          publisher,
          MergeMethods.with(manifest.build(), model.coefficients()),
          checkpoint,
          file.fisher(model));
    }
  }

  private void publish(
      Publisher publisher, ModelManifest manifest, Checkpoint checkpoint, Optional<Path> fisher) {
    try (TaskProgress progress = listener.begin("stream " + manifest.getModel(), Unit.BYTES)) {
      progress.total(ModelCheck.bytes(manifest) + ModelCheck.fisherBytes(manifest));
      publisher.announce(manifest);
      publisher.checkpoint(manifest, checkpoint, progress::add);
      if (fisher.isPresent()) {
        try (Checkpoint entries =
            Checkpoint.openAs(fisher.get(), ManifestTensors.mergedNames(manifest))) {
          publisher.fisher(
              manifest, entries, "file", ModelCheck.examples(entries).orElse(1), progress::add);
        }
      }
      progress.done();
    }
  }
}
