package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.OutputFile;
import io.fisherstreams.cli.options.SearchOptions;
import io.fisherstreams.cli.options.TorchScriptOption;
import io.fisherstreams.cli.output.TerminalListener;
import io.fisherstreams.cli.output.TrialProgress;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.config.MergeFileWriter;
import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.files.WholeFile;
import io.fisherstreams.oneshot.EvaluationTasks;
import io.fisherstreams.oneshot.OneShotMerge;
import io.fisherstreams.tuning.MergedFileTask;
import io.fisherstreams.tuning.SearchChart;
import io.fisherstreams.tuning.Settings;
import io.fisherstreams.tuning.Tuner;
import io.fisherstreams.tuning.TuningData;
import io.fisherstreams.tuning.TuningOptions;
import io.fisherstreams.tuning.TuningReport;
import io.fisherstreams.tuning.TuningResult;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "tune",
    mixinStandardHelpOptions = true,
    description = {
      "Searches better settings of a merge on labelled examples: the models' coefficients, the scale, and the method's constant.",
      "It compares trials on a part of each task's examples, and measures the best one on the held-out part."
    })
final class TuneCommand implements Callable<Integer> {
  @Parameters(
      paramLabel = "MERGE.YAML",
      description =
          "The merge to begin with; at least one model has evaluation_examples (docs/merge-yaml.md).")
  private Path yaml;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE",
      description = "Where the found settings go, as a merge.yaml.")
  private Path output;

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
      description = "Where merged models are kept. Default: the system's temporary folder.")
  private Path workDirectory;

  @Mixin private TorchScriptOption torchScript;

  @Mixin private Connection connection;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    TuningOptions options = search.options();
    connection.requireOneShot();
    MergeFile file = MergeFile.read(yaml);
    outputs()
        .forEach(
            (option, path) -> {
              OutputFile.requireWritable(option, path);
              file.requireOther(option, path);
            });
    Settings start = start(file);
    Tuner.check(start, options);
    TuningResult result = tune(file, start, options);
    Settings found = result.best().settings();
    MergeFileWriter.write(
        file, found.formula(), found.coefficients(), comment(result, options), output);
    write(result);
    PrintWriter out = spec.commandLine().getOut();
    out.print(new TuningReport(result).text());
    out.println("wrote " + output);
    out.flush();
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

  private static Settings start(MergeFile file) {
    return Settings.of(
        file.method().formula(),
        file.models().stream().collect(Collectors.toMap(MergeFile.Model::name, file::coefficient)));
  }

  private TuningResult tune(MergeFile file, Settings start, TuningOptions options) {
    try (TemporaryDirectory directory = TemporaryDirectory.create(workDirectory);
        EvaluationTasks tasks = EvaluationTasks.open(file, torchScript.file())) {
      List<MergedFileTask> tuned = tasks.tasks().stream().map(MergedFileTask::new).toList();
      AtomicReference<TuningResult> result = new AtomicReference<>();
      OneShotMerge.run(
          MergeCommand.inputs(
              file, directory.path().resolve("start.safetensors"), workDirectory, connection),
          new TerminalListener(spec),
          session ->
              result.set(
                  Tuner.run(
                      session,
                      start,
                      tuned,
                      directory.path(),
                      options,
                      new TrialProgress(options, spec.commandLine().getErr()))));
      return result.get();
    }
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

  private void write(TuningResult result) {
    TuningData data = new TuningData(yaml.toString(), result);
    if (csv != null) {
      WholeFile.write(csv, data.csv());
    }
    if (json != null) {
      WholeFile.write(json, data.json().toPrettyString() + "\n");
    }
    if (svg != null) {
      WholeFile.write(svg, SearchChart.svg(result));
    }
  }
}
