package io.fisherstreams.gradient;

import ai.djl.Device;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.device.Precision;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.SafetensorsExamples;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.ModelRuntimes;
import io.fisherstreams.gradient.model.SquaredSums;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The cases of conformance/gradient, computed elsewhere by float64 automatic differentiation. */
public final class Conformance {
  private static final Path ROOT = Path.of("src/test/resources/conformance/gradient");

  private Conformance() {}

  public static Path file(String model, String name) {
    return ROOT.resolve(model).resolve(name);
  }

  /** All cases. */
  static List<String> models() throws IOException {
    try (Stream<Path> folders = Files.list(ROOT)) {
      return folders.map(folder -> folder.getFileName().toString()).sorted().toList();
    }
  }

  /** Names, types and shapes of a model's tensors, its head's included. */
  static List<TensorInfo> shapes(String model) {
    List<TensorInfo> tensors = new ArrayList<>();
    for (String name : List.of("model.safetensors", "head.safetensors")) {
      if (Files.exists(file(model, name))) {
        try (Checkpoint checkpoint = Checkpoint.open(file(model, name))) {
          tensors.addAll(checkpoint.tensors().values());
        }
      }
    }
    return tensors;
  }

  /** Both ways to compute: with this project's own kernels, and as on a GPU. */
  static final List<Compute> COMPUTES =
      List.of(Compute.cpu(), Compute.on(Device.cpu(), Precision.FLOAT32));

  static ModelRuntime load(String model) {
    return load(model, Compute.cpu());
  }

  static ModelRuntime load(String model, Compute compute) {
    Path head = file(model, "head.safetensors");
    if (!Files.exists(head)) {
      try (Checkpoint checkpoint = Checkpoint.open(file(model, "model.safetensors"))) {
        return ModelRuntimes.load(
            config(model), TensorSource.of(checkpoint), Optional.empty(), compute);
      }
    }
    try (Checkpoint checkpoint = Checkpoint.open(file(model, "model.safetensors"));
        Checkpoint headFile = Checkpoint.open(head)) {
      return ModelRuntimes.load(
          config(model),
          TensorSource.of(checkpoint),
          Optional.of(TensorSource.of(headFile)),
          compute);
    }
  }

  /** The slow implementation of a model without a head file. */
  static ModelRuntime loadPlain(String model) {
    try (Checkpoint checkpoint = Checkpoint.open(file(model, "model.safetensors"))) {
      return ModelRuntimes.loadPlain(
          config(model), TensorSource.of(checkpoint), Optional.empty(), Compute.cpu());
    }
  }

  static ModelConfig config(String model) {
    Path path = file(model, "config.json");
    try {
      return ModelConfig.parse(path.toString(), Files.readString(path));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public static ExampleSource examples(String model) {
    return SafetensorsExamples.open(file(model, "examples.safetensors"));
  }

  /** How many examples a case has. */
  public static long count(String model) {
    try (ExampleSource source = examples(model)) {
      return source.count();
    }
  }

  /** Every tensor of a file, as float64. */
  public static Map<String, double[]> tensors(Path path) {
    Map<String, double[]> tensors = new TreeMap<>();
    try (Checkpoint checkpoint = Checkpoint.open(path)) {
      for (TensorInfo tensor : checkpoint.tensors().values()) {
        int elements = Math.toIntExact(tensor.elements());
        double[] values = new double[elements];
        FloatCodec.toDouble(
            tensor.dtype(), checkpoint.slice(tensor.name(), 0, elements), 0, values, 0, elements);
        tensors.put(tensor.name(), values);
      }
    }
    return tensors;
  }

  /** Estimates over all of a source's examples. */
  static Map<String, double[]> fisher(
      ModelRuntime runtime, ExampleSource source, Estimator estimator, int batchSize) {
    FisherEstimation estimation = new FisherEstimation(runtime, estimator);
    try (SquaredSums sums = new SquaredSums(runtime)) {
      for (long first = 0; first < source.count(); first += batchSize) {
        int examples = (int) Math.min(batchSize, source.count() - first);
        estimation.add(source.read(first, examples), sums);
      }
      return mean(sums);
    }
  }

  static Map<String, double[]> mean(SquaredSums sums) {
    Map<String, double[]> fisher = new TreeMap<>();
    for (TensorInfo parameter : sums.parameters()) {
      float[] values = new float[Math.toIntExact(parameter.elements())];
      sums.copy(parameter.name(), 0, values, 0, values.length);
      double[] mean = new double[values.length];
      for (int i = 0; i < mean.length; i++) {
        mean[i] = (double) values[i] / sums.examples();
      }
      fisher.put(parameter.name(), mean);
    }
    return fisher;
  }

  /** Largest |found − expected| of a parameter, relative to its largest expected entry. */
  public static double relativeError(double[] found, double[] expected) {
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      difference = Math.max(difference, Math.abs(found[i] - expected[i]));
    }
    return difference / largest;
  }

  /**
   * The root mean square of the differences over all parameters, relative to that of the expected
   * entries.
   */
  public static double distance(Map<String, double[]> found, Map<String, double[]> expected) {
    double difference = 0;
    double size = 0;
    for (Map.Entry<String, double[]> tensor : expected.entrySet()) {
      double[] values = found.get(tensor.getKey());
      for (int i = 0; i < values.length; i++) {
        difference += Math.pow(values[i] - tensor.getValue()[i], 2);
        size += Math.pow(tensor.getValue()[i], 2);
      }
    }
    return Math.sqrt(difference / size);
  }
}
