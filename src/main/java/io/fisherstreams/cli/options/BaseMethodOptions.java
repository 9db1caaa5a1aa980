package io.fisherstreams.cli.options;

import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.UnchangedWeight;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** The merge method of a pool, which comes with its base model. */
public final class BaseMethodOptions extends MethodOptions {
  @Option(
      names = "--base",
      required = true,
      description = "Publishes the pool's base model together with the pool's merge method.")
  @SuppressWarnings("UnusedVariable") // its presence chooses the group
  private boolean base;

  @Option(
      names = "--exclude",
      paramLabel = "REGEX",
      description =
          "Parameters that keep the base's value; matched at the start of the name. Repeatable.")
  private List<String> exclude = List.of();

  @Option(
      names = "--method",
      paramLabel = "NAME",
      description =
          "fisher, gradient_matching or task_arithmetic (docs/methods.md). Default: fisher.")
  private String name;

  @Option(
      names = "--dtype",
      paramLabel = "DTYPE",
      description =
          "Type of a release's floating tensors (F32, BF16, F16, F64); a value beyond its range becomes infinite. Default: the base's.")
  private OutputDtype dtype;

  /** The method; settings that it does not have, or that are out of range, are wrong usage. */
  public MergeMethod method(CommandLine line) {
    return MergeMethods.of(
        formula(name, line),
        exclude,
        dtype == null ? null : dtype.name(),
        unchangedParameters().orElse(UnchangedWeight.NO_SAY),
        groups(line));
  }
}
