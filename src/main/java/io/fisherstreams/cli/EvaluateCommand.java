package io.fisherstreams.cli;

import io.fisherstreams.gradient.Evaluation;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "evaluate",
    mixinStandardHelpOptions = true,
    description = "Measures a model on labelled examples: accuracy and mean log-likelihood.")
final class EvaluateCommand implements Callable<Integer> {
  @Mixin private FisherCommand.ModelOptions model;

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      defaultValue = "8",
      description = "Examples that go through the model together. Default: ${DEFAULT-VALUE}.")
  private int batchSize;

  @Option(names = "--json", description = "Prints one JSON object.")
  private boolean json;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    ModelFiles files = model.files();
    try (ExampleSource source = files.examples(model.examples());
        ModelRuntime runtime = files.load();
        Progress progress = Progress.ofExamples(spec, "evaluate")) {
      Evaluation evaluation = Evaluation.of(runtime, source, batchSize, progress::upTo);
      progress.done();
      spec.commandLine()
          .getOut()
          .printf(
              json
                  ? "{\"examples\": %d, \"accuracy\": %s, \"mean_log_likelihood\": %s}%n"
                  : "examples %d, accuracy %s, mean log-likelihood %s%n",
              evaluation.examples(),
              evaluation.accuracy(),
              evaluation.meanLogLikelihood());
    }
    return 0;
  }
}
