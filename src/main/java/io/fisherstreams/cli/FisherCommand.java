package io.fisherstreams.cli;

import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.EstimatorName;
import io.fisherstreams.cli.options.EstimatorOptions;
import io.fisherstreams.cli.options.ExampleOptions;
import io.fisherstreams.cli.options.TorchScriptOption;
import io.fisherstreams.gradient.FisherJob;
import io.fisherstreams.gradient.FisherSettings;
import io.fisherstreams.gradient.ModelFiles;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "fisher",
    mixinStandardHelpOptions = true,
    description = {
      "Estimates a model's diagonal Fisher from labelled examples and writes it as a safetensors file.",
      "Its metadata say where it comes from: others can merge the model without its data (docs/gradients.md)."
    })
final class FisherCommand implements Callable<Integer> {
  @Mixin private ModelOptions model;

  @Mixin private TorchScriptOption torchScript;

  @Option(
      names = "--estimator",
      converter = EstimatorName.class,
      paramLabel = "NAME",
      defaultValue = "exact",
      description = "exact, sampled, empirical or fusion_bench. Default: ${DEFAULT-VALUE}.")
  private String estimator;

  @Mixin private EstimatorOptions options;

  @Option(
      names = "--num-examples",
      converter = AtLeastOne.Whole.class,
      paramLabel = "N",
      defaultValue = "256",
      description = "Exactly so many examples are used. Default: ${DEFAULT-VALUE}.")
  private long examples;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE",
      description = "The Fisher file to write.")
  private Path output;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    FisherSettings settings = options.settings(estimator, examples);
    try (Progress progress = Progress.ofExamples(spec, "fisher")) {
      new FisherJob(model.files(torchScript.file()), model.examples(), settings)
          .run(output, progress::upTo);
      progress.done();
    }
    spec.commandLine().getOut().println("wrote " + output);
    return 0;
  }

  /** Which model and which examples. */
  static final class ModelOptions extends ExampleOptions {
    @Option(
        names = "--model",
        required = true,
        paramLabel = "CHECKPOINT",
        description =
            "A Hugging Face folder, or a safetensors file with its config.json beside it.")
    private Path checkpoint;

    ModelFiles files(Optional<Path> torchScript) {
      return files(checkpoint, torchScript);
    }
  }
}
