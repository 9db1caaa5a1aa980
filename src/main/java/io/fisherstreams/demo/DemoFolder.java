package io.fisherstreams.demo;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.files.WholeFile;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The demo's output: {@code merged.safetensors}, the last release; {@code report.html}; and {@code
 * pool/} with the base model, all fine-tuned models, their Fishers, examples and evaluation
 * examples, the networks' {@code config.json}, and a {@code merge.yaml} that merges the models of
 * the last release. It replaces files of an earlier run.
 */
public final class DemoFolder {
  /**
   * A base, six models with their Fishers and the merged model, of 0.9 MiB each; six times 2,500
   * images of 3 KiB; and the report.
   */
  private static final long BYTES = 64 << 20;

  /** Enough to tell the models apart; all of them take minutes on two cores. */
  private static final int MAX_EVALUATED = 500;

  private final Path folder;

  /**
   * Creates the folder if it is missing.
   *
   * @throws InvalidInput when it cannot be created or written to
   */
  public DemoFolder(Path folder) {
    this.folder = folder;
    try {
      Files.createDirectories(pool());
    } catch (IOException e) {
      throw new InvalidInput(
          "the output folder %s cannot be created: %s; choose another with --output"
              .formatted(folder, e.getMessage()),
          e);
    }
    if (!Files.isWritable(pool())) {
      throw new InvalidInput(
          "the output folder %s is not writable; choose another with --output".formatted(folder));
    }
    DiskSpace.require(pool(), BYTES, "the result", "--output");
  }

  /** The last release. */
  public Path merged() {
    return folder.resolve("merged.safetensors");
  }

  /** The report. */
  public Path report() {
    return folder.resolve("report.html");
  }

  /** The file with which the merge command makes {@link #merged} again, up to the last bit. */
  public Path mergeFile() {
    return pool().resolve("merge.yaml");
  }

  /** Writes all files. */
  public void write(DemoResult result) {
    write(pool().resolve("base.safetensors"), result.baseModel());
    for (PooledModel model : result.models()) {
      write(pool().resolve(model.name() + ".safetensors"), model.parameters());
      write(pool().resolve(model.name() + ".fisher.safetensors"), model.fisher());
      write(pool().resolve(model.name() + ".examples.safetensors"), model.examples());
      write(pool().resolve(model.name() + ".test.safetensors"), evaluated(model.test()));
    }
    WholeFile.write(pool().resolve("config.json"), DigitNetwork.config());
    WholeFile.write(mergeFile(), mergeYaml(result));
    write(merged(), result.merged());
    WholeFile.write(report(), new DemoReport(result).html());
  }

  private static void write(Path file, DigitParameters parameters) {
    try (CheckpointWriter writer =
        CheckpointWriter.file(file, parameters.tensors(), Map.of("format", "pt"))) {
      for (TensorInfo tensor : parameters.tensors()) {
        int elements = Math.toIntExact(tensor.elements());
        writer.write(tensor.name(), 0, parameters.slice(tensor.name(), 0, elements));
      }
      writer.commit();
    }
  }

  private static DigitImages evaluated(DigitImages test) {
    return test.first(Math.min(MAX_EVALUATED, test.count()));
  }

  /** Labelled examples as {@code fisher}, {@code evaluate} and {@code publish} read them. */
  private static void write(Path file, DigitImages images) {
    long count = images.count();
    TensorInfo labels = new TensorInfo("labels", DType.I64, List.of(count));
    TensorInfo pixels =
        new TensorInfo(
            "pixel_values",
            DType.F32,
            List.of(count, (long) DigitImages.SIDE, (long) DigitImages.SIDE));
    try (CheckpointWriter writer =
        CheckpointWriter.file(file, List.of(labels, pixels), Map.of("format", "pt"))) {
      writer.write(labels.name(), 0, labels(images));
      writer.write(pixels.name(), 0, pixels(images));
      writer.commit();
    }
  }

  private static ByteBuffer labels(DigitImages images) {
    ByteBuffer bytes = littleEndian((long) images.count() * Long.BYTES);
    for (byte label : images.labels()) {
      bytes.putLong(label);
    }
    return bytes.flip();
  }

  private static ByteBuffer pixels(DigitImages images) {
    ByteBuffer bytes = littleEndian((long) images.pixels().length * Float.BYTES);
    for (int image = 0; image < images.count(); image++) {
      for (int pixel = 0; pixel < DigitImages.PIXELS; pixel++) {
        bytes.putFloat(images.value(image, pixel));
      }
    }
    return bytes.flip();
  }

  private static ByteBuffer littleEndian(long bytes) {
    return ByteBuffer.allocate(Math.toIntExact(bytes)).order(ByteOrder.LITTLE_ENDIAN);
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
      yaml.append("    evaluation_examples: ").append(model).append(".test.safetensors\n");
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
