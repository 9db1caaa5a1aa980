package io.fisherstreams.bench;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.gradient.device.DeviceChoice;
import io.fisherstreams.gradient.device.Precision;
import io.fisherstreams.tensor.DType;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * The {@code bench} command: measures on this machine what the design promises about speed and
 * memory, as ratios within one run.
 */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    description = {
      "Measures speed and memory on this machine and prints each figure beside its yardstick, measured in the same run.",
      "The full run needs about 40 GB of disk. Part arrival alone took 11 minutes on two cores of AMD EPYC."
    })
public final class BenchCommand implements Callable<Integer> {
  enum Part {
    KERNEL,
    START_UP,
    ACCUMULATION,
    ARRIVAL,
    GROWTH,
    PAGE,
    RESTART,
    MERGE,
    GRADIENT,
    ADAPTER;

    /** As users write it and the help lists it. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  @Option(
      names = "--only",
      split = ",",
      paramLabel = "PART",
      description = "Parts to run: ${COMPLETION-CANDIDATES}. Default: all.")
  private List<Part> only;

  @Option(
      names = "--models",
      paramLabel = "N",
      defaultValue = "8",
      description = "Models in the pool before one more arrives. Default: ${DEFAULT-VALUE}.")
  private int models;

  @Option(
      names = "--repetitions",
      paramLabel = "N",
      defaultValue = "5",
      description = "Arrivals and start-ups that are measured. Default: ${DEFAULT-VALUE}.")
  private int repetitions;

  @Option(
      names = "--pool-sizes",
      split = ",",
      paramLabel = "N",
      defaultValue = "4,16,64,256",
      description =
          "For part growth: numbers of models, in rising order. Default: ${DEFAULT-VALUE}.")
  private List<Integer> poolSizes;

  @Option(
      names = "--json",
      description = "For part growth: prints the result as JSON Lines, without progress.")
  private boolean isJson;

  @Option(
      names = "--work-directory",
      paramLabel = "DIR",
      description = "Folder for the data of this run. Default: the system's temporary folder.")
  private Path workDirectory;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      defaultValue = "cpu",
      description =
          "For part gradient: where the models run, cpu, gpu:N or auto (docs/gpu.md). Default: ${DEFAULT-VALUE}.")
  private String device;

  @Option(
      names = "--compute-dtype",
      paramLabel = "DTYPE",
      defaultValue = "float32",
      description =
          "For part gradient on a GPU: precision of matrix products, float32 or bfloat16. Default: ${DEFAULT-VALUE}.")
  private String computeDtype;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws Exception {
    ComputeSettings compute = compute();
    checkPoolSizes();
    Set<Part> parts = only == null ? EnumSet.allOf(Part.class) : EnumSet.copyOf(only);
    PrintWriter out = spec.commandLine().getOut();
    for (Part part : parts) {
      try (TemporaryDirectory directory = TemporaryDirectory.create(workDirectory)) {
        run(part, directory.path(), out, compute);
      }
    }
    return 0;
  }

  private ComputeSettings compute() {
    try {
      return new ComputeSettings(DeviceChoice.named(device), Precision.named(computeDtype));
    } catch (InvalidInput e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  private void checkPoolSizes() {
    int before = 0;
    for (int size : poolSizes) {
      if (size <= before) {
        throw new ParameterException(
            spec.commandLine(),
            "option --pool-sizes: expected numbers of at least 1 in rising order, found "
                + poolSizes);
      }
      before = size;
    }
  }

  private void run(Part part, Path directory, PrintWriter out, ComputeSettings compute)
      throws Exception {
    switch (part) {
      case KERNEL -> KernelBench.run(out);
      case START_UP -> new MergeBench(directory, out).startUp(repetitions);
      case ACCUMULATION -> new AccumulationBench(directory, out).run();
      case ARRIVAL -> {
        for (DType dtype : List.of(DType.F32, DType.BF16)) {
          // One pool's files would fill half of a page cache of 24 GiB while the other is measured.
          try (TemporaryDirectory pool = TemporaryDirectory.create(directory)) {
            new ArrivalBench(pool.path(), out, models, dtype).run(repetitions);
          }
        }
      }
      case PAGE -> new PageBench(directory, out, models).run(repetitions);
      case GROWTH -> new GrowthBench(directory, out, isJson).run(poolSizes, repetitions);
      case RESTART -> new RestartBench(directory, out, models).run();
      case GRADIENT -> new GradientBench(directory, out, compute).run();
      case ADAPTER -> new AdapterBench(directory, out).run();
      case MERGE -> new MergeBench(directory, out).run(new int[] {models, 4 * models});
    }
  }
}
