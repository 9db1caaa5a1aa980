package io.fisherstreams.gradient;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.files.Sha256;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.ShortenedExamples;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.SquaredSums;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * Estimates one model's diagonal Fisher and writes it as a safetensors file: float32, one tensor of
 * the same name and shape for each parameter, the mean over the examples. Of a LoRA adapter it has
 * the parameters that the adapter changes; their Fisher is that of the expanded model.
 *
 * <p>The file's metadata records its provenance: {@code estimator}, {@code examples}, {@code
 * batch_size} ({@code any}, unless the result depends on it), {@code samples} and {@code seed} when
 * labels are drawn, {@code max_length} when texts are cut, {@code checkpoint_sha256}, {@code
 * examples_sha256}, with a head {@code head_sha256}, of a LoRA adapter {@code base_sha256}, and
 * {@code device} and {@code compute_dtype} unless it was the CPU in float32.
 *
 * @param model the model's files
 * @param examples the examples' file or folder
 * @param settings how to estimate
 * @param compute where the model runs
 */
public record FisherJob(ModelFiles model, Path examples, FisherSettings settings, Compute compute) {
  private static final int CHUNK_ELEMENTS = 1 << 18;

  /**
   * Runs the job. The file appears complete or not at all.
   *
   * @param output where the file is to appear
   * @throws InvalidInput when files, model and examples do not belong together, or there are fewer
   *     examples than requested
   */
  public void run(Path output, ExampleProgress progress) {
    run(output, progress, note -> {});
  }

  /**
   * As {@link #run(Path, ExampleProgress)}.
   *
   * @param notes receives what a user should know about the examples
   */
  public void run(Path output, ExampleProgress progress, Consumer<String> notes) {
    try (ExampleSource source = settings.cut(model.examples(examples))) {
      model.requireOther("output", output, source);
      try (ModelRuntime runtime = model.load(compute)) {
        runtime.note().ifPresent(notes);
        source.requireCount(settings.examples());
        Set<String> unchanged = model.unchanged();
        List<TensorInfo> written =
            runtime.parameters().stream().filter(p -> !unchanged.contains(p.name())).toList();
        DiskSpace.requireForOutput(output, bytes(written));
        Map<String, String> provenance = provenance(source);
        try (SquaredSums sums = new SquaredSums(runtime);
            CheckpointWriter writer = CheckpointWriter.file(output, tensors(written), provenance)) {
          estimate(runtime, source, sums, progress);
          write(sums, written, writer);
          if (source instanceof ShortenedExamples shortened) {
            shortened.note().ifPresent(notes);
          }
        }
      }
    }
  }

  private void estimate(
      ModelRuntime runtime, ExampleSource source, SquaredSums sums, ExampleProgress progress) {
    FisherEstimation estimation = new FisherEstimation(runtime, settings.estimator());
    long tokens = 0;
    while (sums.examples() < settings.examples()) {
      long missing = settings.examples() - sums.examples();
      int batch = (int) Math.min(settings.batchSize(), missing);
      List<Example> examples = source.read(sums.examples(), batch);
      estimation.add(examples, sums);
      tokens += ExampleProgress.tokens(runtime, examples);
      progress.examples(sums.examples(), settings.examples(), tokens);
    }
  }

  private Map<String, String> provenance(ExampleSource source) {
    Map<String, String> metadata = new TreeMap<>(settings.estimator().settings());
    metadata.put("estimator", settings.estimator().name());
    metadata.putAll(compute.provenance());
    settings.maxLength().ifPresent(length -> metadata.put("max_length", Integer.toString(length)));
    metadata.put("examples", Long.toString(settings.examples()));
    metadata.put(
        "batch_size",
        settings.estimator().dependsOnBatches() ? Integer.toString(settings.batchSize()) : "any");
    metadata.put(
        "checkpoint_sha256", Sha256.of(folderOf(model.checkpoint()), model.checkpointFiles()));
    model.baseSha256().ifPresent(sha256 -> metadata.put("base_sha256", sha256));
    metadata.put("examples_sha256", Sha256.of(folderOf(examples), source.files()));
    model
        .head()
        .ifPresent(head -> metadata.put("head_sha256", Sha256.of(folderOf(head), List.of(head))));
    return metadata;
  }

  private static Path folderOf(Path path) {
    return Files.isDirectory(path) ? path : path.toAbsolutePath().getParent();
  }

  private static long bytes(List<TensorInfo> parameters) {
    return parameters.stream().mapToLong(TensorInfo::elements).sum() * Float.BYTES;
  }

  private static List<TensorInfo> tensors(List<TensorInfo> parameters) {
    return parameters.stream()
        .map(parameter -> new TensorInfo(parameter.name(), DType.F32, parameter.shape()))
        .toList();
  }

  private static void write(
      SquaredSums sums, List<TensorInfo> parameters, CheckpointWriter writer) {
    float[] values = new float[CHUNK_ELEMENTS];
    ByteBuffer bytes =
        ByteBuffer.allocate(CHUNK_ELEMENTS * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (TensorInfo tensor : parameters) {
      for (long first = 0; first < tensor.elements(); first += CHUNK_ELEMENTS) {
        int elements = (int) Math.min(CHUNK_ELEMENTS, tensor.elements() - first);
        sums.copy(tensor.name(), first, values, 0, elements);
        bytes.clear();
        for (int i = 0; i < elements; i++) {
          bytes.putFloat(mean(tensor.name(), values[i], sums.examples()));
        }
        writer.write(tensor.name(), first, bytes.flip());
      }
    }
    writer.commit();
  }

  private static float mean(String parameter, float sum, long examples) {
    if (!Float.isFinite(sum)) {
      throw new InvalidInput(
          "parameter %s: its squared gradients leave the range of float32 (%s)"
              .formatted(parameter, sum));
    }
    return (float) ((double) sum / examples);
  }
}
