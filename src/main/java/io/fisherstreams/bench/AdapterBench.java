package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The bytes that an arriving LoRA adapter sends to a pool, beside those of a whole model. They are
 * exact: the publisher's own records are counted.
 */
final class AdapterBench {
  private static final int RANK = 16;
  private static final List<String> ATTENTION = List.of("q_proj", "v_proj");
  private static final List<String> EVERY_LAYER =
      List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

  private final Path directory;
  private final PrintWriter out;

  AdapterBench(Path directory, PrintWriter out) {
    this.directory = directory;
    this.out = out;
  }

  void run() throws IOException {
    for (DType dtype : List.of(DType.F32, DType.BF16)) {
      SyntheticModel base = SyntheticModel.decoder(dtype);
      Path folder = Files.createDirectories(directory.resolve("base-" + dtype));
      base.writeCheckpoint(folder.resolve("model.safetensors"), 0);
      Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"llama\"}");
      for (List<String> modules : List.of(ATTENTION, EVERY_LAYER)) {
        Path adapter = directory.resolve("adapter-" + dtype + "-" + modules.size());
        write(adapter, base, Set.copyOf(modules));
        report(base, dtype, modules, sent(folder, adapter), adapter);
      }
      SentBytes whole = sent(folder, folder);
      out.printf(
          Locale.ROOT,
          "  the whole model: %,d bytes, %.4f a parameter%n",
          whole.total(),
          (double) whole.total() / base.parameters());
    }
    out.flush();
  }

  /** Writes an adapter as PEFT does. */
  static void write(Path folder, SyntheticModel base, Set<String> modules) throws IOException {
    Files.createDirectories(folder);
    Files.writeString(
        folder.resolve("adapter_config.json"),
        String.format(
            Locale.ROOT,
            "{\"peft_type\": \"LORA\", \"r\": %d, \"lora_alpha\": %d}",
            RANK,
            2 * RANK));
    List<TensorInfo> factors = new ArrayList<>();
    for (TensorInfo tensor : changed(base, modules)) {
      String module = "base_model.model." + tensor.name().replaceFirst("\\.weight$", "");
      long outputs = tensor.shape().get(0);
      long inputs = tensor.shape().get(1);
      factors.add(
          new TensorInfo(module + ".lora_A.weight", DType.F32, List.of((long) RANK, inputs)));
      factors.add(
          new TensorInfo(module + ".lora_B.weight", DType.F32, List.of(outputs, (long) RANK)));
    }
    new SyntheticModel(factors).writeCheckpoint(folder.resolve("adapter_model.safetensors"), 1);
    SyntheticModel entries = new SyntheticModel(changed(base, modules));
    entries.writeFisher(folder.resolve("fisher.safetensors"), 2);
  }

  private static List<TensorInfo> changed(SyntheticModel base, Set<String> modules) {
    return base.tensors().stream()
        .filter(
            tensor -> modules.stream().anyMatch(name -> tensor.name().endsWith(name + ".weight")))
        .toList();
  }

  /**
   * What the publisher sends for a model and its Fisher.
   *
   * @param model the base's folder, for the whole model, or an adapter's
   */
  static SentBytes sent(Path base, Path model) throws IOException {
    SentBytes sent = new SentBytes(ArrivalPool.PARTITIONS);
    Publisher publisher = new Publisher(new PoolTopics("pool", SchemaRegistry.inMemory()), sent);
    Path fisher = model.resolve("fisher.safetensors");
    try (Checkpoint checkpoint = Checkpoint.open(model, Optional.of(base))) {
      if (Files.notExists(fisher)) {
        new SyntheticModel(checkpoint.ownTensors()).writeFisher(fisher, 2);
      }
      MergeSet all = MergeSet.of(checkpoint.tensors().values(), List.of());
      ModelManifest manifest =
          Manifests.fineTuned(
                  "arrival",
                  1,
                  checkpoint.ownTensors(),
                  Manifests.unchanged(checkpoint, 1, name -> true),
                  all,
                  false)
              .build();
      publisher.announce(manifest);
      publisher.checkpoint(manifest, checkpoint, bytes -> {});
      try (Checkpoint entries = Checkpoint.open(fisher)) {
        publisher.fisher(manifest, entries, "bench", 1, bytes -> {});
      }
    }
    return sent;
  }

  private void report(
      SyntheticModel base, DType dtype, List<String> modules, SentBytes sent, Path adapter)
      throws IOException {
    long changed =
        changed(base, Set.copyOf(modules)).stream().mapToLong(TensorInfo::elements).sum();
    out.printf(
        Locale.ROOT,
        "LoRA adapter of rank %d on %s of a causal decoder, %s: changes %,d of %,d parameters; its file has %,d bytes%n",
        RANK,
        String.join(", ", modules),
        dtype,
        changed,
        base.parameters(),
        Files.size(adapter.resolve("adapter_model.safetensors")));
    for (Map.Entry<String, Long> topic : sent.byTopic().entrySet()) {
      out.printf(Locale.ROOT, "  %-24s %,12d bytes%n", topic.getKey(), topic.getValue());
    }
    out.printf(
        Locale.ROOT,
        "  it sends %,d bytes: %.4f a changed parameter, %.4f a parameter of the model%n",
        sent.total(),
        (double) sent.total() / changed,
        (double) sent.total() / base.parameters());
  }
}
