package io.fisherstreams.cli;

import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.CheckpointExamples;
import io.fisherstreams.cli.options.ComputeOptions;
import io.fisherstreams.cli.options.EstimatorConverter;
import io.fisherstreams.cli.options.EstimatorOptions;
import io.fisherstreams.cli.options.TorchScriptOption;
import io.fisherstreams.cli.output.Notes;
import io.fisherstreams.cli.output.TerminalProgress;
import io.fisherstreams.gradient.Estimator;
import io.fisherstreams.gradient.FisherJob;
import io.fisherstreams.gradient.FisherSettings;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.device.ComputeSettings;
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
      "The file's metadata records its origin. Others can merge the model without its data (docs/gradients.md)."
    })
final class FisherCommand implements Callable<Integer> {
  @Mixin private CheckpointExamples model;

  @Mixin private TorchScriptOption torchScript;

  @Option(
      names = "--estimator",
      converter = EstimatorConverter.class,
      paramLabel = "NAME",
      description =
          "exact, sampled, empirical or fusion_bench. Default: exact; for a language model sampled.")
  private String estimator;

  @Mixin private EstimatorOptions options;

  @Mixin private ComputeOptions compute;

  @Option(
      names = "--num-examples",
      converter = AtLeastOne.Whole.class,
      paramLabel = "N",
      defaultValue = "256",
      description = "Number of examples, exactly. Default: ${DEFAULT-VALUE}.")
  private long numExamples;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE",
      description = "The Fisher file to write.")
  private Path output;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    FisherSettings settings = settings();
    ModelFiles files = model.files(torchScript.file());
    Compute device = compute.over(ComputeSettings.DEFAULT).resolve(Notes.of(spec));
    files.renaming().ifPresent(Notes.of(spec));
    try (TerminalProgress progress = TerminalProgress.ofExamples(spec, "fisher")) {
      new FisherJob(files, model.examples(), settings, device)
          .run(output, progress::examples, Notes.of(spec));
      progress.done();
    }
    spec.commandLine().getOut().println("wrote " + output);
    return 0;
  }

  private FisherSettings settings() {
    FisherSettings chosen =
        options.settings(
            spec.commandLine(),
            Optional.ofNullable(estimator).orElseGet(this::estimatorOfTheModel),
            numExamples);
    return new FisherSettings(
        chosen.estimator(), chosen.examples(), chosen.batchSize(), model.maxLength());
  }

  private String estimatorOfTheModel() {
    boolean languageModel = model.exists() && model.files(torchScript.file()).isLanguageModel();
    return Estimator.byDefault(languageModel).text();
  }
}
