package io.fisherstreams.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.ComputeOptions;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.EvaluatedModel;
import io.fisherstreams.cli.options.OutputFile;
import io.fisherstreams.cli.options.TorchScriptOption;
import io.fisherstreams.cli.output.Notes;
import io.fisherstreams.cli.output.TerminalListener;
import io.fisherstreams.cli.output.TerminalProgress;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.files.WholeFile;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.gradient.Evaluation;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.ShortenedExamples;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.oneshot.ComparisonChart;
import io.fisherstreams.oneshot.EvaluationReport;
import io.fisherstreams.oneshot.FusionBenchReport;
import io.fisherstreams.oneshot.OneShotMerge;
import io.fisherstreams.oneshot.PoolEvaluation;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.NamedRelease;
import io.fisherstreams.release.ReleaseExporter;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "evaluate",
    mixinStandardHelpOptions = true,
    customSynopsis = {
      "fisher-streams evaluate MERGE.YAML [OPTIONS]",
      "fisher-streams evaluate --model=CHECKPOINT_OR_RELEASE --examples=PATH [OPTIONS]"
    },
    description = {
      "Measures accuracy, mean log-likelihood and, of a language model, perplexity of a model, a release or a whole merge.yaml on labelled examples.",
      "For a merge.yaml it measures the merged model, the plain average, the base and each fine-tuned model on every task."
    })
final class EvaluateCommand implements Callable<Integer> {
  @Parameters(
      arity = "0..1",
      paramLabel = "MERGE.YAML",
      description =
          "A pool whose models have evaluation_examples (docs/merge-yaml.md). It is merged once, as by the merge command.")
  private Path yaml;

  @Mixin private EvaluatedModel model;

  @Option(
      names = "--batch-size",
      converter = AtLeastOne.Int.class,
      paramLabel = "N",
      defaultValue = "8",
      description = "Examples that go through the model together. Default: ${DEFAULT-VALUE}.")
  private int batchSize;

  @Option(names = "--json", paramLabel = "FILE", description = "Also writes the results as JSON.")
  private Path json;

  @Option(
      names = "--fusion-bench-json",
      paramLabel = "FILE",
      description =
          "Also writes the merged model's results in the shape of FusionBench's reports: accuracy and loss by task.")
  private Path fusionBench;

  @Option(
      names = "--svg",
      paramLabel = "FILE",
      description = "For a MERGE.YAML: also draws the models and their results.")
  private Path svg;

  @Option(
      names = "--work-directory",
      paramLabel = "DIR",
      description =
          "Where a merge or a release keeps its data during the evaluation. Default: the system's temporary folder.")
  private Path workDirectory;

  @Mixin private TorchScriptOption torchScript;

  @Mixin private ComputeOptions compute;

  @Mixin private Connection connection;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    model.requireEither(yaml);
    requireWritable();
    if (yaml != null) {
      connection.requireOneShot();
      evaluatePool(MergeFile.read(yaml));
    } else if (connection.isGiven()) {
      evaluateRelease(model);
    } else {
      connection.requireUnused();
      if (workDirectory != null) {
        throw new ParameterException(
            spec.commandLine(),
            "--work-directory is for a MERGE.YAML or a release; a checkpoint is read where it is");
      }
      evaluateModel(model);
    }
    return 0;
  }

  /** Checks the output before work that may take an hour. */
  private void requireWritable() {
    OutputFile.requireWritable("--json", json);
    OutputFile.requireWritable("--fusion-bench-json", fusionBench);
    OutputFile.requireWritable("--svg", svg);
    if (svg != null && yaml == null) {
      throw new ParameterException(spec.commandLine(), "--svg is for a MERGE.YAML");
    }
  }

  private void evaluateModel(EvaluatedModel one) {
    if (one.folder().isPresent()) {
      throw new InvalidInput(
          "--folder is for a release; to evaluate a release, also give --bootstrap-servers and --schema-registry");
    }
    Path checkpoint = Path.of(one.model());
    if (!Files.exists(checkpoint)) {
      throw new InvalidInput(
          "%s: no such checkpoint; to evaluate a release of a pool, also give --bootstrap-servers and --schema-registry"
              .formatted(checkpoint));
    }
    ModelFiles files = one.files(checkpoint, torchScript.file());
    files.renaming().ifPresent(Notes.of(spec));
    Compute device = device(ComputeSettings.DEFAULT);
    try (ExampleSource examples = examples(files, one);
        ModelRuntime runtime = files.load(device)) {
      runtime.note().ifPresent(Notes.of(spec));
      report(one, one.model(), runtime, evaluate(examples, runtime, "evaluate"));
    }
  }

  private ExampleSource examples(ModelFiles files, EvaluatedModel one) {
    ExampleSource whole = files.examples(one.examples());
    ExampleSource examples = ShortenedExamples.of(whole, one.maxLength());
    try {
      if (json != null) {
        files.requireOther("--json", json, examples);
      }
      return examples;
    } catch (RuntimeException e) {
      examples.close();
      throw e;
    }
  }

  private void evaluateRelease(EvaluatedModel one) {
    Path folder =
        one.folder()
            .orElseThrow(
                () ->
                    new InvalidInput(
                        "a release needs --folder: the model whose config.json, tokenizer and head it runs with"));
    ModelFiles files = one.files(folder, torchScript.file());
    Compute device = device(ComputeSettings.DEFAULT);
    try (ExampleSource examples = examples(files, one);
        TemporaryDirectory directory = TemporaryDirectory.create(workDirectory)) {
      Path file = directory.path().resolve("release.safetensors");
      Release release = export(one.model(), file);
      try (Checkpoint checkpoint = Checkpoint.open(file)) {
        TensorSource tensors = TensorSource.of(checkpoint);
        MergeSet merged =
            MergeSet.of(
                checkpoint.tensors().values(),
                release.getPlan().getMethod().getExcludeParamNamesRegex());
        try (ModelRuntime runtime =
            files.hasCheckpoint()
                ? files.load(tensors, merged::merges, device)
                : files.load(tensors, device)) {
          String title = "release " + release.getRelease();
          report(one, title, runtime, evaluate(examples, runtime, "evaluate " + title));
        }
      }
    }
  }

  private Compute device(ComputeSettings configured) {
    return compute.over(configured).resolve(Notes.of(spec));
  }

  private Release export(String name, Path file) {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    ReleaseReader reader = new ReleaseReader(kafka, topics);
    Release release = NamedRelease.find(name, reader, kafka, topics);
    List<TensorInfo> tensors = reader.tensors(release, PoolModels.base(kafka, topics));
    try (TerminalProgress progress =
        TerminalProgress.of(spec, "read release " + release.getRelease())) {
      long bytes = ReleaseExporter.bytes(tensors);
      DiskSpace.require(file.getParent(), bytes, "the release", "--work-directory");
      progress.total(bytes);
      new ReleaseExporter(reader)
          .export(release, tensors, ReleaseExporter.Output.file(file), progress::add);
      progress.done();
    }
    return release;
  }

  private Evaluation evaluate(ExampleSource examples, ModelRuntime runtime, String task) {
    try (TerminalProgress progress = TerminalProgress.ofExamples(spec, task)) {
      Evaluation evaluation = Evaluation.of(runtime, examples, batchSize, progress::examples);
      progress.done();
      if (examples instanceof ShortenedExamples shortened) {
        shortened.note().ifPresent(Notes.of(spec));
      }
      return evaluation;
    }
  }

  private void report(
      EvaluatedModel one, String model, ModelRuntime runtime, Evaluation evaluation) {
    if (fusionBench != null) {
      String task = one.examples().getFileName().toString().replaceFirst("\\.[^.]+$", "");
      long parameters = runtime.parameters().stream().mapToLong(TensorInfo::elements).sum();
      WholeFile.write(
          fusionBench,
          FusionBenchReport.of(Map.of(task, evaluation), parameters).toPrettyString() + "\n");
    }
    if (json != null) {
      ObjectNode root = new ObjectMapper().createObjectNode();
      root.put("model", model);
      EvaluationReport.put(evaluation, root);
      WholeFile.write(json, root.toPrettyString() + "\n");
    }
    spec.commandLine().getOut().println(evaluation);
  }

  private void evaluatePool(MergeFile file) {
    if (json != null) {
      file.requireOther("--json", json);
    }
    if (fusionBench != null) {
      file.requireOther("--fusion-bench-json", fusionBench);
    }
    if (svg != null) {
      file.requireOther("--svg", svg);
    }
    ComputeSettings wanted = compute.over(file.compute().orElse(ComputeSettings.DEFAULT));
    Compute device = wanted.resolve(Notes.of(spec));
    try (TemporaryDirectory directory = TemporaryDirectory.create(workDirectory);
        PoolEvaluation pool =
            PoolEvaluation.open(file, torchScript.file(), device, this::evaluate)) {
      pool.evaluateOwnTasks();
      EvaluationReport report = pool.evaluateAll(merge(file, directory.path(), wanted));
      if (fusionBench != null) {
        WholeFile.write(fusionBench, report.fusionBench().toPrettyString() + "\n");
      }
      if (json != null) {
        WholeFile.write(json, report.json().toPrettyString() + "\n");
      }
      if (svg != null) {
        WholeFile.write(svg, ComparisonChart.svg(report));
      }
      spec.commandLine().getOut().print(report.tables());
      spec.commandLine().getOut().flush();
    }
  }

  /** Merges by the file's method and by those of {@code compare}; returns the files by name. */
  private Map<String, Path> merge(MergeFile file, Path directory, ComputeSettings wanted) {
    Map<String, Path> merged = new LinkedHashMap<>();
    Path output = directory.resolve("merged.safetensors");
    merged.put("merged", output);
    OneShotMerge.Inputs inputs =
        MergeCommand.inputs(file, output, workDirectory, connection, wanted);
    OneShotMerge.Result result =
        OneShotMerge.run(
            inputs,
            new TerminalListener(spec),
            session -> {
              for (MergeFile.Compared compared : file.compare()) {
                Path other = directory.resolve("compared-" + merged.size() + ".safetensors");
                session.merge(compared.formula(), Map.of(), other);
                merged.put(compared.label(), other);
              }
            });
    MergeCommand.print(result, spec.commandLine().getErr());
    return merged;
  }
}
