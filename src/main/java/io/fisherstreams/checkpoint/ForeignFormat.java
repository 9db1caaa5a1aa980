package io.fisherstreams.checkpoint;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/** Says what a file or folder is that is no safetensors checkpoint, and what to do with it. */
final class ForeignFormat {
  private static final int BYTES_READ = 512;
  private static final String SAVE =
      "save the model with save_pretrained(folder, safe_serialization=True)";
  private static final String ADAPTER =
      "is a LoRA adapter, not a whole model: name its base too (--base, or base in merge.yaml;"
          + " docs/adapters.md), or merge it into its base first (PEFT:"
          + " model.merge_and_unload().save_pretrained(folder))";

  private ForeignFormat() {}

  /**
   * What a file's first bytes say it is, with the next step; empty when nothing is recognised.
   *
   * @return a text that follows the file's name, such as {@code is a GGUF file …}
   */
  static Optional<String> of(Path file) {
    byte[] start;
    try (InputStream in = Files.newInputStream(file)) {
      start = in.readNBytes(BYTES_READ);
    } catch (IOException e) {
      return Optional.empty();
    }
    String text = new String(start, StandardCharsets.ISO_8859_1);
    String lower = text.stripLeading().toLowerCase(Locale.ROOT);
    if (start.length > 8 && start[4] == 0 && start[5] == 0 && start[6] == 0 && start[7] == 0) {
      return Optional.empty(); // the length of a header, as safetensors files begin
    }
    if (start.length == 0) {
      return Optional.of("has 0 bytes: its download or its writing was not finished");
    }
    if (text.startsWith("version https://git-lfs.github.com")) {
      return Optional.of("is a Git LFS pointer, not the file itself: fetch it with git lfs pull");
    }
    if (text.startsWith("GGUF")) {
      return Optional.of("is a GGUF file, whose weights are quantised: use the original model");
    }
    if (text.startsWith("\u0089HDF")) {
      return Optional.of("is an HDF5 file (Keras, TensorFlow): load it in PyTorch and " + SAVE);
    }
    if (text.startsWith("PK\u0003\u0004") || text.startsWith("PK\u0005\u0006")) {
      return Optional.of(
          "is a zip archive, as torch.save writes it: load it with torch.load and " + SAVE);
    }
    if (start[0] == (byte) 0x80 && start.length > 1 && start[1] >= 2 && start[1] <= 5) {
      return Optional.of(
          "is a Python pickle, as torch.save writes it: load it with torch.load and " + SAVE);
    }
    if (text.startsWith("\u001f\u008b")
        || text.startsWith("BZh")
        || text.startsWith("\u00fd7zXZ")) {
      return Optional.of("is a compressed file: unpack it first");
    }
    if (text.length() > 262 && text.startsWith("ustar", 257)) {
      return Optional.of("is a tar archive: unpack it first");
    }
    if (lower.startsWith("<!doctype html") || lower.startsWith("<html")) {
      return Optional.of("is a web page, not a model: the download saved an error or a login page");
    }
    if (text.startsWith("\u0093NUMPY")) {
      return Optional.of("is a NumPy array: write the tensors with safetensors.numpy.save_file");
    }
    if (lower.startsWith("{") || lower.startsWith("[")) {
      return Optional.of("is a JSON text, not weights");
    }
    return Optional.empty();
  }

  /** Says that an adapter has no file of tensors that can be read. */
  static String adapterWithoutFile(Path folder) {
    List<String> names = names(folder);
    return "%s has %s but no %s%s"
        .formatted(
            folder,
            AdapterConfig.NAME,
            Adapter.FILE,
            names.contains("adapter_model.bin")
                ? ": adapter_model.bin is a Python pickle; load the adapter with PEFT and save it"
                    + " with save_pretrained(folder, safe_serialization=True)"
                : "");
  }

  /** What a folder without safetensors weights holds, with the next step. */
  static String folder(Path folder) {
    List<String> names = names(folder);
    if (names.contains("adapter_config.json") || names.contains("adapter_model.safetensors")) {
      return folder + " " + ADAPTER;
    }
    String message =
        "%s is no model folder: it has neither %s nor %s"
            .formatted(folder, Checkpoint.SINGLE_FILE, FolderIndex.NAME);
    for (String name : names) {
      String lower = name.toLowerCase(Locale.ROOT);
      if (lower.endsWith(".safetensors")) {
        return message + "; give its file " + name + " instead, if that is the model";
      }
      if (lower.matches(".*\\.(bin|pt|pth|ckpt)")) {
        return message + "; it has " + name + ": load the model in Python and " + SAVE;
      }
      if (lower.matches(".*\\.(h5|msgpack|ot|onnx|gguf|tflite|npz)")) {
        return message + "; it has " + name + ", another format: load it in PyTorch and " + SAVE;
      }
    }
    if (names.contains("snapshots") && names.contains("refs")) {
      return message + "; it is a folder of a download cache: give the folder in its snapshots/";
    }
    return message + (names.isEmpty() ? "; the folder is empty" : "");
  }

  private static List<String> names(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw InvalidInput.unreadable(folder, e);
    }
  }

  /** Says that a path does not exist, and that a hub's name is no path. */
  static InvalidInput missing(Path path) {
    return new InvalidInput(
        path
            + " does not exist"
            + (path.toString().endsWith(".safetensors")
                ? ""
                : ". It is looked for on this machine, relative paths in a YAML beside the YAML;"
                    + " nothing is downloaded from a hub"));
  }

  /** Rejects the tensors of a LoRA adapter. */
  static void requireNoAdapter(Path path, Stream<String> names) {
    names
        .filter(name -> name.contains(".lora_A.") || name.contains(".lora_B."))
        .findFirst()
        .ifPresent(
            name -> {
              throw new InvalidInput("%s %s; it has tensor '%s'".formatted(path, ADAPTER, name));
            });
  }
}
