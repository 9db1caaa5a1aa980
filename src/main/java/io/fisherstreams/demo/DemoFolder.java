package io.fisherstreams.demo;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.WholeFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * What the demo leaves behind: {@code merged.safetensors}, the last release; {@code report.html};
 * and {@code pool/}, the base model, all fine-tuned models with their Fishers and a {@code
 * merge.yaml} that merges those which were in the pool at the end. Files of an earlier run are
 * replaced.
 */
public final class DemoFolder {
  private final Path folder;

  /**
   * Makes the folder if it is missing.
   *
   * @throws InvalidInput when it cannot be made or written to
   */
  public DemoFolder(Path folder) {
    this.folder = folder;
    try {
      Files.createDirectories(pool());
    } catch (IOException e) {
      throw new InvalidInput("the output folder " + folder + " cannot be made: " + e, e);
    }
    if (!Files.isWritable(pool())) {
      throw new InvalidInput("the output folder " + folder + " cannot be written to");
    }
  }

  /** The last release. */
  public Path merged() {
    return folder.resolve("merged.safetensors");
  }

  /** The page to look at. */
  public Path report() {
    return folder.resolve("report.html");
  }

  /** The merge of {@link #merged}, for the merge command. */
  public Path mergeFile() {
    return pool().resolve("merge.yaml");
  }

  /** Writes everything. */
  public void write(DemoResult result) {
    result.baseModel().writeTo(pool().resolve("base.safetensors"));
    for (FineTunedModel model : result.models()) {
      model.parameters().writeTo(pool().resolve(model.name() + ".safetensors"));
      model.fisher().writeTo(pool().resolve(model.name() + ".fisher.safetensors"));
    }
    WholeFile.write(mergeFile(), mergeYaml(result));
    result.merged().writeTo(merged());
    WholeFile.write(report(), new DemoReport(result).html());
  }

  private Path pool() {
    return folder.resolve("pool");
  }

  private static String mergeYaml(DemoResult result) {
    StringBuilder yaml = new StringBuilder("base: base.safetensors\nmodels:\n");
    for (String model : result.last().shares().keySet()) {
      yaml.append("  - name: ").append(model).append('\n');
      yaml.append("    checkpoint: ").append(model).append(".safetensors\n");
      yaml.append("    fisher: ").append(model).append(".fisher.safetensors\n");
    }
    return yaml.append(
            String.format(
                Locale.ROOT,
                "method:%n  normalize_fisher_weight: %s%n  minimal_fisher_weight: %.0e%n",
                DemoScenario.METHOD.normalized(),
                DemoScenario.METHOD.epsilon()))
        .toString();
  }
}
