package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The {@code merge} command as a user runs it: memory, and time beside reading the same files once,
 * by the number of models; start-up on tiny models.
 */
final class MergeBench {
  // Models share files in turn: the content of files does not matter for memory, but their disk
  // space is limited.
  private static final int DISTINCT = 4;

  private final Path directory;
  private final PrintWriter out;

  MergeBench(Path directory, PrintWriter out) {
    this.directory = directory;
    this.out = out;
  }

  void run(int[] counts) throws IOException, InterruptedException {
    SyntheticModel.clip(DType.F32).writeCheckpoint(directory.resolve("base.safetensors"), 0);
    for (int i = 0; i < DISTINCT; i++) {
      SyntheticModel.clip(DType.F32)
          .writeCheckpoint(directory.resolve("m" + i + ".safetensors"), 1 + i);
      SyntheticModel.clip(DType.F32)
          .writeFisher(directory.resolve("f" + i + ".safetensors"), 100 + i);
    }
    writeBack();
    for (int models : counts) {
      double reading = readSeconds(models);
      ChildProcess run = merge(models);
      out.printf(
          Locale.ROOT,
          "merge of %d models of %,d float32 parameters: %.1f s; reading their files once: %.1f s; ratio %.2f; anonymous memory %.2f GiB at most%n",
          models,
          SyntheticModel.clip(DType.F32).parameters(),
          run.seconds(),
          reading,
          run.seconds() / reading,
          run.anonymousBytes() / (double) (1 << 30));
      out.flush();
    }
  }

  /**
   * Waits for the disk: a merge, which syncs its output, must not wait for the writing of its
   * input.
   */
  private void writeBack() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      for (Path path : (Iterable<Path>) files::iterator) {
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
          file.force(true);
        }
      }
    }
  }

  void startUp(int repetitions) throws IOException, InterruptedException {
    for (String name : List.of("base", "m0", "m1", "f0", "f1")) {
      TensorInfo tensor = new TensorInfo("weight", DType.F32, List.of(10L, 10L));
      try (CheckpointWriter writer =
          CheckpointWriter.file(
              directory.resolve(name + ".safetensors"), List.of(tensor), Map.of())) {
        writer.write("weight", 0, ByteBuffer.allocate(400));
        writer.commit();
      }
    }
    for (int i = 0; i < repetitions; i++) {
      out.printf(
          Locale.ROOT, "merge of two models of 100 parameters: %.1f s%n", merge(2).seconds());
      out.flush();
    }
  }

  /** How long one thread takes to read what a merge of so many models reads, to nothing. */
  private double readSeconds(int models) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
    long start = System.nanoTime();
    read("base", buffer);
    for (int i = 0; i < models; i++) {
      read("m" + i % DISTINCT, buffer);
      read("f" + i % DISTINCT, buffer);
    }
    return (System.nanoTime() - start) / 1e9;
  }

  private void read(String name, ByteBuffer buffer) throws IOException {
    try (FileChannel file = FileChannel.open(directory.resolve(name + ".safetensors"))) {
      while (file.read(buffer.clear()) >= 0) {
        continue;
      }
    }
  }

  private ChildProcess merge(int models) throws IOException, InterruptedException {
    StringBuilder yaml = new StringBuilder("base: base.safetensors\nmodels:\n");
    for (int i = 0; i < models; i++) {
      yaml.append("  - name: model-").append(i).append('\n');
      yaml.append("    checkpoint: m").append(i % DISTINCT).append(".safetensors\n");
      yaml.append("    fisher: f").append(i % DISTINCT).append(".safetensors\n");
    }
    Path file = Files.writeString(directory.resolve("merge.yaml"), yaml);
    Path merged = directory.resolve("merged.safetensors");
    ChildProcess run =
        ChildProcess.run(
            directory.resolve("merge.log"),
            List.of("merge", file.toString(), "--output", merged.toString()));
    Files.delete(merged);
    return run;
  }
}
