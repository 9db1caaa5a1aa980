package io.fisherstreams.release;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.files.TextFile;
import io.fisherstreams.tensor.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The files of a base's folder that are no weights and that a merged model needs to load as the
 * base does: config, tokenizer, processor, chat template and so on. Left out are weights, Python
 * code unless it is trusted, the base's README (the release has its own), hidden files, and folders
 * that are no part of a model.
 *
 * @param folder the base's folder
 * @param files to copy, relative to it, sorted
 * @param leftOut what is not copied, each with the reason, for people
 */
public record Companions(Path folder, List<Path> files, List<String> leftOut) {
  private static final Pattern WEIGHTS =
      Pattern.compile(
          ".*\\.(safetensors|safetensors\\.index\\.json|bin|bin\\.index\\.json|pt|pth|ckpt|h5|msgpack|msgpack\\.index\\.json"
              + "|onnx|onnx_data|gguf|ggml|ot|npz|tflite|mlmodel|pb|engine)");
  // Exports to other formats, a training's checkpoints and logs, pictures.
  private static final Pattern OTHERS =
      Pattern.compile(
          "checkpoint-.*|runs|logs|onnx|openvino|coreml|original|figures|assets|images");
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * Lists a folder.
   *
   * @param trustsCode whether Python files are copied, which run when the model is loaded with
   *     {@code trust_remote_code}
   * @throws InvalidInput when the folder cannot be read
   */
  public static Companions of(Path folder, boolean trustsCode) {
    List<Path> files = new ArrayList<>();
    List<String> leftOut = new ArrayList<>();
    Set<String> modules = modules(folder);
    for (Path entry : list(folder)) {
      String name = entry.getFileName().toString();
      if (name.startsWith(".")) {
        continue;
      }
      if (Files.isDirectory(entry)) {
        if (OTHERS.matcher(name).matches()) {
          leftOut.add(name + "/ (no part of the model)");
        } else {
          addAll(folder, entry, modules.contains(name), trustsCode, files, leftOut);
        }
      } else if (name.endsWith(".py") && !trustsCode) {
        leftOut.add(name + " (code; --trust-remote-code copies it)");
      } else if (name.equalsIgnoreCase("README.md")) {
        leftOut.add(name + " (the release has its own)");
      } else if (name.startsWith("adapter_")) {
        leftOut.add(name + " (an adapter)");
      } else if (!WEIGHTS.matcher(name.toLowerCase(Locale.ROOT)).matches()) {
        files.add(folder.relativize(entry));
      } else if (!name.startsWith("model") || !name.contains(".safetensors")) {
        leftOut.add(name + " (weights)");
      }
    }
    return new Companions(folder, List.copyOf(files), List.copyOf(leftOut));
  }

  /** A module of sentence-transformers has weights of its own, which the merge does not touch. */
  private static void addAll(
      Path root,
      Path folder,
      boolean isModule,
      boolean trustsCode,
      List<Path> files,
      List<String> leftOut) {
    for (Path entry : list(folder)) {
      String name = root.relativize(entry).toString();
      if (Files.isDirectory(entry)) {
        leftOut.add(name + "/ (a folder in a folder)");
      } else if (name.endsWith(".py") && !trustsCode) {
        leftOut.add(name + " (code; --trust-remote-code copies it)");
      } else if (!isModule && WEIGHTS.matcher(name.toLowerCase(Locale.ROOT)).matches()) {
        leftOut.add(name + " (weights)");
      } else {
        files.add(root.relativize(entry));
      }
    }
  }

  private static List<Path> list(Path folder) {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.sorted().toList();
    } catch (IOException e) {
      throw InvalidInput.unreadable(folder, e);
    }
  }

  /** The folders of a sentence-transformers model's modules. */
  private static Set<String> modules(Path folder) {
    Path file = folder.resolve("modules.json");
    Set<String> modules = new HashSet<>();
    if (Files.exists(file)) {
      try {
        for (JsonNode module : JSON.readTree(TextFile.read(file))) {
          modules.add(module.path("path").asText());
        }
      } catch (JsonProcessingException e) {
        throw new InvalidInput(file + " is not valid JSON: " + e.getOriginalMessage(), e);
      }
    }
    return modules;
  }

  /** What is not copied, in one line; empty when all is. */
  public Optional<String> note() {
    return leftOut.isEmpty()
        ? Optional.empty()
        : Optional.of("not copied from " + folder + ": " + String.join(", ", leftOut));
  }

  /**
   * Copies the files; {@code config.json} gets the release's dtype.
   *
   * @param dtype of all floating tensors; empty when they keep the base's
   */
  void copyTo(CheckpointWriter writer, Optional<DType> dtype) {
    for (Path file : files) {
      String name = file.toString().replace(file.getFileSystem().getSeparator(), "/");
      if (name.equals("config.json") && dtype.isPresent()) {
        writer.addFile(name, config(folder.resolve(file), dtype.get()));
      } else {
        writer.addFile(name, folder.resolve(file));
      }
    }
  }

  private static byte[] config(Path file, DType dtype) {
    try {
      JsonNode config = JSON.readTree(TextFile.read(file));
      if (!config.isObject()) {
        throw new InvalidInput(file + ": expected a JSON object");
      }
      setDtype((ObjectNode) config, torchName(dtype));
      return JSON.writerWithDefaultPrettyPrinter()
          .writeValueAsString(config)
          .concat("\n")
          .getBytes(StandardCharsets.UTF_8);
    } catch (JsonProcessingException e) {
      throw new InvalidInput(file + " is not valid JSON: " + e.getOriginalMessage(), e);
    }
  }

  /**
   * Newer versions of Transformers write dtype, older ones torch_dtype; parts may have their own.
   */
  private static void setDtype(ObjectNode config, String name) {
    boolean found = false;
    for (String key : List.of("torch_dtype", "dtype")) {
      if (config.has(key)) {
        config.put(key, name);
        found = true;
      }
    }
    if (!found) {
      config.put("torch_dtype", name);
    }
    for (String part : List.of("text_config", "vision_config", "audio_config")) {
      if (config.path(part).has("torch_dtype") || config.path(part).has("dtype")) {
        setDtype((ObjectNode) config.get(part), name);
      }
    }
  }

  private static String torchName(DType dtype) {
    return switch (dtype) {
      case BF16 -> "bfloat16";
      case F16 -> "float16";
      case F64 -> "float64";
      default -> "float32";
    };
  }
}
