package io.fisherstreams.gradient;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.InputFiles;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.checkpoint.QuantizedWeights;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.files.TextFile;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.ImageExamples;
import io.fisherstreams.gradient.example.ImageProcessor;
import io.fisherstreams.gradient.example.LanguageExamples;
import io.fisherstreams.gradient.example.LineKind;
import io.fisherstreams.gradient.example.SafetensorsExamples;
import io.fisherstreams.gradient.example.TextExamples;
import io.fisherstreams.gradient.model.Head;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.ModelRuntimes;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * The files that make a model runnable.
 *
 * @param checkpoint a safetensors file, a Hugging Face folder or a LoRA adapter's folder
 * @param folder the folder of {@code config.json}, {@code tokenizer.json} and {@code
 *     preprocessor_config.json}; the last two are read when examples need them
 * @param base the base of an adapter, whose folder has what the adapter's lacks; not read otherwise
 * @param head a safetensors file with a frozen head, see {@link Head}
 * @param torchScript a module to run instead of one of the built-in architectures. It is code, so
 *     only the operator's own configuration may name it
 */
public record ModelFiles(
    Path checkpoint,
    Path folder,
    Optional<Path> base,
    Optional<Path> head,
    Optional<Path> torchScript) {

  /**
   * A model whose other files are in its folder, or beside its file.
   *
   * @throws InvalidInput when there is neither folder nor file
   */
  public static ModelFiles of(Path checkpoint, Optional<Path> head, Optional<Path> torchScript) {
    return of(checkpoint, Optional.empty(), head, torchScript);
  }

  /**
   * A model or a LoRA adapter whose other files are in its folder, beside its file, or in its
   * base's folder.
   *
   * @param base of an adapter
   * @throws InvalidInput when there is neither folder nor file
   */
  public static ModelFiles of(
      Path checkpoint, Optional<Path> base, Optional<Path> head, Optional<Path> torchScript) {
    if (!Files.exists(checkpoint)) {
      throw new InvalidInput(
          "%s does not exist; a model is a Hugging Face folder or a safetensors file"
              .formatted(checkpoint));
    }
    Path folder =
        Files.isDirectory(checkpoint)
            ? checkpoint
            : checkpoint.toAbsolutePath().normalize().getParent();
    return new ModelFiles(
        checkpoint,
        folder,
        base.filter(path -> Checkpoint.isAdapter(checkpoint)),
        head,
        torchScript);
  }

  private Checkpoint open() {
    return Checkpoint.open(checkpoint, base);
  }

  /** A file of the model's folder, or, if an adapter's lacks it, of the base's. */
  private Path file(String name) {
    Path own = folder.resolve(name);
    if (base.isEmpty() || Files.exists(own)) {
      return own;
    }
    Path ofBase = base.get();
    return Files.isDirectory(ofBase) ? ofBase.resolve(name) : ofBase.resolveSibling(name);
  }

  /**
   * Loads the model onto a device.
   *
   * @param compute where and how it runs
   * @throws InvalidInput when a file is missing or they do not belong together
   */
  public ModelRuntime load(Compute compute) {
    try (Checkpoint file = open()) {
      requireWhole(file);
      return load(TensorSource.of(file), compute);
    }
  }

  private static void requireWhole(Checkpoint file) {
    QuantizedWeights.reject("model", file, name -> false);
    file.requireNoAdapter();
  }

  /** How the names of the checkpoint's tensors are changed as it is read; for people. */
  public Optional<String> renaming() {
    try (Checkpoint file = open()) {
      return file.renaming().map(how -> "the tensors of %s are read %s".formatted(checkpoint, how));
    }
  }

  /**
   * Loads the model with other tensors than its checkpoint's: a merged model with this model's
   * config and head.
   *
   * @throws InvalidInput when a file is missing or they do not belong together
   */
  public ModelRuntime load(TensorSource tensors, Compute compute) {
    if (torchScript.isPresent()) {
      return ModelRuntimes.loadTorchScript(torchScript.get(), tensors, compute);
    }
    if (head.isEmpty()) {
      return ModelRuntimes.load(config(), tensors, Optional.empty(), compute);
    }
    try (Checkpoint file = Checkpoint.open(head.get())) {
      return ModelRuntimes.load(config(), tensors, Optional.of(Head.of(file).tensors()), compute);
    }
  }

  /**
   * Loads the model with some of its tensors replaced by another's: a release, with the config and
   * the head of one of the pool's models.
   *
   * @param other has the named tensors
   * @param names the tensors to read from it; all others come from the checkpoint
   * @throws InvalidInput when a file is missing or they do not belong together
   */
  public ModelRuntime load(TensorSource other, Predicate<String> names, Compute compute) {
    List<String> all = other.tensors().stream().map(TensorInfo::name).toList();
    List<String> replaced = all.stream().filter(names).toList();
    try (Checkpoint file = Checkpoint.openAs(checkpoint, base, replaced, all)) {
      requireWhole(file);
      return load(TensorSource.of(file).with(other, names), compute);
    }
  }

  /**
   * Opens examples for this model: a safetensors file, a JSON Lines file ({@code .jsonl}) with
   * {@code text} or {@code image}, or a folder of one subfolder of images per class.
   *
   * @throws InvalidInput when it is none of these or cannot be read
   */
  public ExampleSource examples(Path path) {
    if (Files.isDirectory(path)) {
      return ImageExamples.folder(path, imageProcessor(), classNames());
    }
    String name = path.getFileName().toString();
    if (name.endsWith(".safetensors")) {
      return SafetensorsExamples.open(path);
    }
    if (!name.endsWith(".jsonl")) {
      throw new InvalidInput(
          ("%s: examples are a .safetensors file, a .jsonl file, or a folder of one subfolder of"
                  + " images per class")
              .formatted(path));
    }
    return switch (LineKind.of(path)) {
      case IMAGE -> ImageExamples.lines(path, imageProcessor(), classNames());
      case TEXT -> texts(path);
    };
  }

  private ExampleSource texts(Path path) {
    Path tokenizer = file("tokenizer.json");
    return isLanguageModel()
        ? LanguageExamples.open(path, tokenizer, ModelRuntimes.hasEncoderAndDecoder(config()))
        : TextExamples.open(path, tokenizer, classNames(), ModelRuntimes.readsTokenTypes(config()));
  }

  /**
   * Whether the model predicts tokens and not classes, as its config and its tensors' names say.
   */
  public boolean isLanguageModel() {
    if (torchScript.isPresent()) {
      return false;
    }
    Set<String> names = new HashSet<>();
    if (hasCheckpoint()) {
      try (Checkpoint opened = open()) {
        names.addAll(opened.tensors().keySet());
      }
    }
    if (head.filter(Checkpoint::isIn).isPresent()) {
      try (Checkpoint opened = Checkpoint.open(head.get())) {
        names.addAll(opened.tensors().keySet());
      }
    }
    return ModelRuntimes.isLanguageModel(config(), names);
  }

  /** Whether there is a checkpoint, and not only the files that accompany one. */
  public boolean hasCheckpoint() {
    return Checkpoint.isIn(checkpoint) || (base.isPresent() && Checkpoint.isAdapter(checkpoint));
  }

  /**
   * Rejects an output that would replace a file of the model or of its examples.
   *
   * @param name the output's name in messages
   */
  public void requireOther(String name, Path output, ExampleSource examples) {
    List<Path> inputs = new ArrayList<>(examples.files());
    inputs.add(checkpoint);
    inputs.add(file("config.json"));
    base.ifPresent(inputs::add);
    head.ifPresent(inputs::add);
    torchScript.ifPresent(inputs::add);
    InputFiles.requireOther(name, output, inputs);
  }

  /** What an adapter leaves as its base has it; empty for a whole model. */
  Set<String> unchanged() {
    try (Checkpoint file = open()) {
      return Set.copyOf(file.unchanged());
    }
  }

  /** Of an adapter: the SHA-256 of its base. */
  Optional<String> baseSha256() {
    return base.map(
        path -> {
          try (Checkpoint file = Checkpoint.open(path)) {
            return file.sha256();
          }
        });
  }

  /** The checkpoint's files, in the order of their names. */
  List<Path> checkpointFiles() {
    try (Checkpoint file = open()) {
      return file.files();
    }
  }

  /**
   * The text of {@code config.json}.
   *
   * @throws InvalidInput when it cannot be read
   */
  public String configText() {
    return TextFile.read(file("config.json"));
  }

  private ModelConfig config() {
    if (torchScript.isPresent()) {
      return ModelConfig.parse("TorchScript module", "{\"model_type\": \"torchscript\"}");
    }
    return read(file("config.json"));
  }

  private static ModelConfig read(Path file) {
    return ModelConfig.parse(file.toString(), TextFile.read(file));
  }

  private ImageProcessor imageProcessor() {
    Path settings = file("preprocessor_config.json");
    return ImageProcessor.of(
        config(), Files.exists(settings) ? Optional.of(read(settings)) : Optional.empty());
  }

  private Function<String, Optional<Long>> classNames() {
    ModelConfig config = config();
    if (head.isEmpty()) {
      return config::classNamed;
    }
    try (Checkpoint file = Checkpoint.open(head.get())) {
      Head opened = Head.of(file);
      return name -> opened.classNamed(name).or(() -> config.classNamed(name));
    }
  }
}
