package io.fisherstreams.estimation;

import io.fisherstreams.gradient.device.ComputeSettings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * How an instance of the gradient stage works.
 *
 * @param claimExamples examples of one model, at most, between two flushes of its sums. More
 *     examples mean fewer bytes, and more work to repeat after a kill
 * @param linger how long a claim waits for more examples of its model before it flushes
 * @param torchScripts folder with the operator's own modules, {@code <model>.pt}. A module is code:
 *     only the operator's configuration may name it
 * @param compute where models run
 */
public record GradientOptions(
    long claimExamples, Duration linger, Optional<Path> torchScripts, ComputeSettings compute) {
  /** Options on the CPU. */
  public GradientOptions(long claimExamples, Duration linger, Optional<Path> torchScripts) {
    this(claimExamples, linger, torchScripts, ComputeSettings.DEFAULT);
  }

  /** The defaults. */
  public static GradientOptions standard() {
    return new GradientOptions(1024, Duration.ofSeconds(1), Optional.empty());
  }

  /** The same on another device. */
  public GradientOptions on(ComputeSettings other) {
    return new GradientOptions(claimExamples, linger, torchScripts, other);
  }

  /** The operator's module of a model, if there is one. */
  public Optional<Path> torchScript(String model) {
    return torchScripts.map(folder -> folder.resolve(model + ".pt")).filter(Files::isRegularFile);
  }
}
