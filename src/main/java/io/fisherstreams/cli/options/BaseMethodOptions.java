package io.fisherstreams.cli.options;

import io.fisherstreams.record.MergeMethod;
import java.util.List;
import picocli.CommandLine.Option;

/** The merge method of a pool, which comes with its base model. */
public final class BaseMethodOptions {
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
      names = "--no-normalize",
      description = "Does not divide a model's weight by the norm of its Fisher.")
  private boolean noNormalize;

  @Option(
      names = "--minimal-fisher-weight",
      paramLabel = "EPSILON",
      converter = WeightConverter.class,
      defaultValue = "1e-6",
      description = "Added to every entry of every Fisher. Default: ${DEFAULT-VALUE}.")
  private double epsilon;

  @Option(
      names = "--dtype",
      paramLabel = "DTYPE",
      description =
          "Type of a release's floating tensors (F32, BF16, F16, F64); a value beyond its range becomes infinite. Default: the base's.")
  private OutputDtype dtype;

  /** The method. */
  public MergeMethod method() {
    return new MergeMethod(exclude, !noNormalize, epsilon, dtype == null ? null : dtype.name());
  }
}
