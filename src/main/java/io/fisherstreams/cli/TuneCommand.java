package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.ComputeOptions;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.OutputFile;
import io.fisherstreams.cli.options.ReleaseWait;
import io.fisherstreams.cli.options.SearchOptions;
import io.fisherstreams.cli.options.TorchScriptOption;
import io.fisherstreams.cli.output.MethodText;
import io.fisherstreams.cli.output.Notes;
import io.fisherstreams.cli.output.TerminalListener;
import io.fisherstreams.cli.output.TerminalProgress;
import io.fisherstreams.cli.output.TrialProgress;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.config.MergeFileWriter;
import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.files.WholeFile;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.gate.GateOptions;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.merge.StoredModels;
import io.fisherstreams.oneshot.EvaluationTasks;
import io.fisherstreams.oneshot.OneShotMerge;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.release.NamedRelease;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tuning.GateTask;
import io.fisherstreams.tuning.MergedFileTask;
import io.fisherstreams.tuning.PoolFiles;
import io.fisherstreams.tuning.PoolSettings;
import io.fisherstreams.tuning.SearchChart;
import io.fisherstreams.tuning.Settings;
import io.fisherstreams.tuning.TunedTask;
import io.fisherstreams.tuning.Tuner;
import io.fisherstreams.tuning.TuningData;
import io.fisherstreams.tuning.TuningOptions;
import io.fisherstreams.tuning.TuningReport;
import io.fisherstreams.tuning.TuningResult;
import io.fisherstreams.tuning.TuningStart;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "tune",
    mixinStandardHelpOptions = true,
    customSynopsis = {
      "fisher-streams tune MERGE.YAML --output=FILE [OPTIONS]",
      "fisher-streams tune --config=FILE [--apply] [OPTIONS]"
    },
    description = {
      "Searches better settings of a merge on labelled examples: the models' coefficients, the scale, and the method's constant.",
      "It compares trials on a part of each task's examples, and measures the best one on the held-out part.",
      "Without MERGE.YAML it tunes the newest release of a pool, on the gate's tasks in its configuration."
    })
final class TuneCommand implements Callable<Integer> {
  @Parameters(
      arity = "0..1",
      paramLabel = "MERGE.YAML",
      description =
          "The merge to begin with; at least one model has evaluation_examples (docs/merge-yaml.md).")
  private Path yaml;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description = "For MERGE.YAML: where the found settings go, as a merge.yaml.")
  private Path output;

  @Option(
      names = "--apply",
      description =
          "For a pool: changes its method and coefficients to the found ones, in one plan, if they are better beyond noise.")
  private boolean applies;

  @Mixin private ReleaseWait release;

  @Mixin private SearchOptions search;

  @Option(names = "--csv", paramLabel = "FILE", description = "Writes all trials as CSV.")
  private Path csv;

  @Option(names = "--json", paramLabel = "FILE", description = "Writes all trials as JSON.")
  private Path json;

  @Option(
      names = "--svg",
      paramLabel = "FILE",
      description = "Writes a picture of the search: the measure by trial.")
  private Path svg;

  @Option(
      names = "--work-directory",
      paramLabel = "DIR",
      description =
          "Where merged models, and the models of a pool, are kept during the search. Default: the system's temporary folder.")
  private Path workDirectory;

  @Mixin private TorchScriptOption torchScript;

  @Mixin private ComputeOptions compute;

  @Mixin private Connection connection;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    TuningOptions options = search.options();
    outputs().forEach(OutputFile::requireWritable);
    if (yaml == null) {
      tunePool(options);
    } else {
      tuneFile(options);
    }
    spec.commandLine().getOut().flush();
    return 0;
  }

  private Map<String, Path> outputs() {
    Map<String, Path> outputs = new LinkedHashMap<>();
    outputs.put("--output", output);
    outputs.put("--csv", csv);
    outputs.put("--json", json);
    outputs.put("--svg", svg);
    outputs.values().removeIf(Objects::isNull);
    return outputs;
  }

  private void tuneFile(TuningOptions options) {
    if (output == null) {
      throw wrong("--output is missing: where the found merge.yaml goes");
    }
    if (applies || release.isGiven()) {
      throw wrong("--apply and --wait are for a pool; a MERGE.YAML gets --output");
    }
    connection.requireOneShot();
    MergeFile file = MergeFile.read(yaml);
    outputs().forEach(file::requireOther);
    TuningStart start = TuningStart.of(file, search.groups());
    Tuner.check(start.settings(), options);
    ComputeSettings wanted = compute.over(file.compute().orElse(ComputeSettings.DEFAULT));
    Compute device = wanted.resolve(Notes.of(spec));
    TuningResult result;
    try (TemporaryDirectory directory = TemporaryDirectory.create(workDirectory);
        EvaluationTasks tasks = EvaluationTasks.open(file, torchScript.file(), device)) {
      OneShotMerge.Inputs inputs =
          MergeCommand.inputs(start.file(), merged(directory), workDirectory, connection, wanted);
      result =
          tune(
              inputs,
              start.settings(),
              tasks.tasks().stream().map(MergedFileTask::new).toList(),
              directory.path(),
              options);
    }
    Settings found = result.best().settings();
    MergeFileWriter.write(
        start.file(), found.formula(), found.coefficients(), comment(result, options), output);
    report(yaml.toString(), result);
    spec.commandLine().getOut().println("wrote " + output);
  }

  private static Path merged(TemporaryDirectory directory) {
    return directory.path().resolve("start.safetensors");
  }

  private TuningResult tune(
      OneShotMerge.Inputs inputs,
      Settings start,
      List<? extends TunedTask> tasks,
      Path directory,
      TuningOptions options) {
    AtomicReference<TuningResult> result = new AtomicReference<>();
    OneShotMerge.run(
        inputs,
        new TerminalListener(spec),
        session ->
            result.set(
                Tuner.run(
                    session,
                    start,
                    tasks,
                    directory,
                    options,
                    new TrialProgress(options, spec.commandLine().getErr()))));
    return result.get();
  }

  private void tunePool(TuningOptions options) {
    if (output != null || torchScript.file().isPresent()) {
      throw wrong(
          "--output and --torchscript are for a MERGE.YAML; a pool gets --apply, and its gate's tasks name modules");
    }
    if (release.isGiven() && !applies) {
      throw wrong("--wait is for --apply");
    }
    GateOptions gate =
        connection
            .config()
            .gate()
            .orElseThrow(
                () ->
                    new InvalidInput(
                        "a pool is tuned on the tasks of its gate: give a MERGE.YAML, or a --config with gate (docs/releases.md)"));
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    MergePlan plan =
        NamedRelease.find(null, new ReleaseReader(kafka, topics), kafka, topics).getPlan();
    Compute device = compute.over(gate.compute()).resolve(Notes.of(spec));
    List<GateTask> tasks = gate.tasks().stream().map(task -> new GateTask(task, device)).toList();
    TuningStart start;
    TuningResult result;
    try (TemporaryDirectory directory = TemporaryDirectory.create(workDirectory)) {
      start = TuningStart.of(read(kafka, topics, plan, directory.path()), search.groups());
      Tuner.check(start.settings(), options);
      OneShotMerge.Inputs inputs =
          MergeCommand.inputs(
              start.file(), merged(directory), plan.getMethod().getOutputDtype(), workDirectory);
      result = tune(inputs, start.settings(), tasks, directory.path(), options);
    }
    report("pool " + topics.pool() + ", release " + plan.getRelease(), result);
    if (applies) {
      apply(kafka, topics, plan, start.file().method().groups(), result);
    }
  }

  private MergeFile read(KafkaSettings kafka, PoolTopics topics, MergePlan plan, Path directory) {
    int partitions;
    try (Admin admin = kafka.admin()) {
      partitions = new PoolAdmin(admin, topics).check();
    }
    StoredModels models = new StoredModels(kafka, topics, partitions, plan);
    // The payloads of one partition are there twice.
    DiskSpace.require(
        directory, models.bytes() + models.bytes() / partitions, "the search", "--work-directory");
    try (TerminalProgress progress = TerminalProgress.of(spec, "read the pool's models")) {
      progress.total(models.bytes());
      MergeFile file = PoolFiles.write(models, plan, directory, progress::add);
      progress.done();
      return file;
    }
  }

  private void apply(
      KafkaSettings kafka,
      PoolTopics topics,
      MergePlan plan,
      ParameterGroups groups,
      TuningResult result) {
    PrintWriter out = spec.commandLine().getOut();
    if (!result.beatsStart()) {
      out.println("the pool stays as it is");
      return;
    }
    Settings found = result.best().settings();
    MergeMethod method = PoolSettings.apply(kafka, topics, plan, found, groups, Notes.of(spec));
    out.println("pool " + topics.pool() + " now merges by " + MethodText.of(found.formula()));
    release.forSettings(kafka, topics, plan.getBaseModel(), method, found.coefficients(), out);
  }

  private String comment(TuningResult result, TuningOptions options) {
    return String.format(
        Locale.ROOT,
        "found by tune from %s: trial %d of %d, seed %d",
        yaml.getFileName(),
        result.best().number(),
        result.trials().size() - 1,
        options.seed());
  }

  private void report(String origin, TuningResult result) {
    TuningData data = new TuningData(origin, result);
    if (csv != null) {
      WholeFile.write(csv, data.csv());
    }
    if (json != null) {
      WholeFile.write(json, data.json().toPrettyString() + "\n");
    }
    if (svg != null) {
      WholeFile.write(svg, SearchChart.svg(result));
    }
    spec.commandLine().getOut().print(new TuningReport(result).text());
  }

  private ParameterException wrong(String message) {
    return new ParameterException(spec.commandLine(), message);
  }
}
