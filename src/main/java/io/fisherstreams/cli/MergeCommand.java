package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.OutputDtype;
import io.fisherstreams.cli.options.OutputOptions;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.coordinator.PoolStatus;
import io.fisherstreams.coordinator.PoolView;
import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.Shares;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.local.LocalPool;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.oneshot.DeadLetterWatch;
import io.fisherstreams.oneshot.MergeEstimation;
import io.fisherstreams.oneshot.Preflight;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseExporter;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.TensorInfo;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.Producer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "merge",
    mixinStandardHelpOptions = true,
    description = {
      "Merges the pool that a YAML names, once: streams it through the topics and stages of an embedded broker, writes the release, exits.",
      "With --bootstrap-servers and --schema-registry it uses that cluster, in topics of its own that it deletes afterwards."
    })
final class MergeCommand implements Callable<Integer> {
  private static final Duration POLL = Duration.ofMillis(20);
  private static final Duration LOOK = Duration.ofSeconds(2);

  @Parameters(
      paramLabel = "MERGE.YAML",
      description = "Base, models and method (docs/merge-yaml.md).")
  private Path yaml;

  @Mixin private OutputOptions output;

  @Option(
      names = "--dtype",
      paramLabel = "DTYPE",
      description =
          "Type of all floating tensors (${COMPLETION-CANDIDATES}); a value beyond its range becomes infinite. Default: the base's.")
  private OutputDtype dtype;

  @Option(
      names = "--strict",
      description =
          "Refuses a model whose small Fisher would take the merge over, instead of reporting it.")
  private boolean strict;

  @Option(
      names = "--partitions",
      converter = AtLeastOne.Int.class,
      paramLabel = "N",
      defaultValue = "4",
      description =
          "Partitions of the pool's topics. The result does not depend on it. Default: ${DEFAULT-VALUE}.")
  private int partitions;

  @Option(
      names = "--threads",
      converter = AtLeastOne.Int.class,
      paramLabel = "N",
      defaultValue = "2",
      description =
          "Threads of the merge stage. The result does not depend on it. Default: ${DEFAULT-VALUE}.")
  private int threads;

  @Option(
      names = "--work-directory",
      paramLabel = "DIR",
      description =
          "Where broker and stages keep their data meanwhile; about 9 bytes a parameter and model. Default: the system's temporary folder.")
  private Path workDirectory;

  @Mixin private Connection connection;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    long partBytes = output.partBytes();
    MergeFile file = MergeFile.read(yaml);
    file.requireOther("--output", output.path());
    ReleaseExporter.requireWritable(output.path());
    Set<String> names =
        file.models().stream().map(MergeFile.Model::name).collect(Collectors.toSet());
    PlanPolicy policy = PlanPolicy.atOnce(names);
    MergeSet mergeSet = check(file);
    MergeEstimation estimation =
        new MergeEstimation(file, mergeSet, connection.config().gradient(), spec);
    estimation.check();
    try (TemporaryDirectory directory = TemporaryDirectory.create(workDirectory)) {
      if (connection.isGiven()) {
        mergeOnCluster(file, estimation, directory.path(), policy, partBytes);
      } else {
        try (LocalPool pool = LocalPool.start(directory.path(), partitions, threads, policy)) {
          pool.run(runner -> merge(file, estimation, runner, directory.path(), partBytes));
        }
      }
    }
    return 0;
  }

  private MergeSet check(MergeFile file) {
    try (Progress progress = Progress.of(spec, "check")) {
      Preflight.Report report =
          Preflight.check(file, Runtime.getRuntime().availableProcessors(), progress::upTo);
      progress.done();
      tell(report.takeovers());
      return report.mergeSet();
    }
  }

  private void tell(List<Shares.Takeover> takeovers) {
    for (Shares.Takeover takeover : takeovers) {
      spec.commandLine().getErr().println("warning: " + takeover.message());
    }
    if (strict && !takeovers.isEmpty()) {
      throw new InvalidInput("refused under --strict: " + takeovers.get(0).message());
    }
  }

  private void mergeOnCluster(
      MergeFile file,
      MergeEstimation estimation,
      Path directory,
      PlanPolicy policy,
      long partBytes) {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics("merge-" + UUID.randomUUID());
    try (Admin admin = kafka.admin()) {
      PoolAdmin pool = new PoolAdmin(admin, topics);
      try {
        pool.create(partitions, Optional.ofNullable(connection.config().replication()));
        try (PoolRunner runner = PoolRunner.start(kafka, topics, directory, threads, policy)) {
          merge(file, estimation, runner, directory, partBytes);
        }
      } finally {
        pool.delete();
      }
    }
  }

  private void merge(
      MergeFile file,
      MergeEstimation estimation,
      PoolRunner runner,
      Path directory,
      long partBytes) {
    ModelManifest base;
    Release release;
    try (DeadLetterWatch watch = new DeadLetterWatch(runner.kafka(), runner.topics())) {
      base = publish(file, estimation, runner, directory, watch);
      release = await(runner, watch, estimation.isNeeded());
    }
    if (estimation.isNeeded()) {
      tell(takeovers(runner));
    }
    print(release);
    ReleaseReader reader = new ReleaseReader(runner.kafka(), runner.topics());
    List<TensorInfo> tensors = reader.tensors(release, Optional.of(base));
    try (Checkpoint checkpoint = Checkpoint.open(file.base());
        Progress progress = Progress.of(spec, "write " + output.path())) {
      progress.total(ReleaseExporter.bytes(tensors));
      new ReleaseExporter(reader)
          .export(release, tensors, output.path(), partBytes, checkpoint.folder(), progress::add);
      progress.done();
    }
    spec.commandLine().getOut().println("wrote " + output.path());
  }

  private ModelManifest publish(
      MergeFile file,
      MergeEstimation estimation,
      PoolRunner runner,
      Path directory,
      DeadLetterWatch watch) {
    MergeFile.Method method = file.method();
    try (estimation;
        Producer<byte[], byte[]> producer = runner.kafka().newProducer();
        Checkpoint base = Checkpoint.open(file.base())) {
      if (estimation.isNeeded()) {
        estimation.start(runner, directory.resolve("gradient"));
      }
      Publisher publisher = new Publisher(runner.topics(), producer);
      MergeSet mergeSet = MergeSet.of(base.tensors().values(), method.excludeParamNamesRegex());
      ModelManifest manifest =
          Manifests.base(
              baseName(file),
              1,
              base.tensors().values(),
              new MergeMethod(
                  method.excludeParamNamesRegex(),
                  method.normalizeFisherWeight(),
                  method.minimalFisherWeight(),
                  dtype == null ? null : dtype.name()),
              "");
      send(publisher, manifest, base, Optional.empty());
      for (MergeFile.Model model : file.models()) {
        if (model.examples().isPresent()) {
          estimation.estimate(model, publisher, watch);
          continue;
        }
        try (Checkpoint checkpoint = Checkpoint.open(model.checkpoint())) {
          ModelManifest.Builder builder =
              Manifests.fineTuned(model.name(), 1, checkpoint.tensors().values(), mergeSet, false);
          model.coefficient().ifPresent(builder::setCoefficient);
          send(publisher, builder.build(), checkpoint, model.fisher());
        }
      }
      return manifest;
    }
  }

  /** A name that none of the models has. */
  private static String baseName(MergeFile file) {
    String name = "base";
    Set<String> taken =
        file.models().stream().map(MergeFile.Model::name).collect(Collectors.toSet());
    while (taken.contains(name)) {
      name += "-model";
    }
    return name;
  }

  private void send(
      Publisher publisher, ModelManifest manifest, Checkpoint checkpoint, Optional<Path> fisher) {
    try (Progress progress = Progress.of(spec, "stream " + manifest.getModel())) {
      progress.total(ModelCheck.bytes(manifest) + ModelCheck.fisherBytes(manifest));
      publisher.announce(manifest);
      publisher.checkpoint(manifest, checkpoint, progress::add);
      if (fisher.isPresent()) {
        try (Checkpoint entries = Checkpoint.open(fisher.get())) {
          publisher.fisher(
              manifest, entries, "file", ModelCheck.examples(entries).orElse(1), progress::add);
        }
      }
      progress.done();
    }
  }

  /**
   * Waits for the release.
   *
   * @param estimated whether there are Fishers that nobody has seen yet, which the coordinator may
   *     refuse
   */
  private static Release await(PoolRunner runner, DeadLetterWatch watch, boolean estimated) {
    try (ReleaseFeed feed = new ReleaseFeed(runner.kafka(), runner.topics())) {
      long looked = System.nanoTime();
      while (true) {
        Optional<Release> complete =
            feed.poll(POLL).values().stream()
                .filter(release -> release.getStatus() == ReleaseStatus.COMPLETE)
                .findFirst();
        if (complete.isPresent()) {
          return complete.get();
        }
        watch.requireNone(Duration.ZERO);
        runner.requireRunning();
        if (estimated && System.nanoTime() - looked >= LOOK.toNanos()) {
          pool(runner)
              .refusals()
              .forEach(
                  (model, reason) -> {
                    throw new InvalidInput("model '%s': %s".formatted(model, reason));
                  });
          looked = System.nanoTime();
        }
      }
    }
  }

  private static PoolView pool(PoolRunner runner) {
    return PoolStatus.readView(runner.kafka(), runner.topics());
  }

  private static List<Shares.Takeover> takeovers(PoolRunner runner) {
    return pool(runner).propose().map(PoolView.Proposal::takeovers).orElse(List.of());
  }

  private void print(Release release) {
    PrintWriter out = spec.commandLine().getOut();
    List<PlannedModel> models = new ArrayList<>(release.getPlan().getModels());
    out.printf("%-40s %12s %14s %9s%n", "MODEL", "COEFFICIENT", "FISHER NORM", "SHARE");
    for (PlannedModel model : models) {
      out.printf(
          "%-40s %12.6g %14.6g %8.2f%%%n",
          model.getModel(), model.getCoefficient(), model.getFisherNorm(), 100 * model.getShare());
    }
    if (release.getUnweighted() > 0) {
      spec.commandLine()
          .getErr()
          .printf(
              "warning: %d entries have Fisher 0 in every model and epsilon is 0; they take the models' average%n",
              release.getUnweighted());
    }
    out.printf("release checksum %s%n", release.getChecksum());
    out.flush();
  }
}
