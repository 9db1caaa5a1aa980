package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.files.Sha256;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.SquaredSums;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FisherJobTest {
  private static final Path GPT2 = Conformance.file("gpt2", "model.safetensors");
  private static final Path EXAMPLES = Conformance.file("gpt2", "examples.safetensors");

  @TempDir Path folder;

  @Test
  void writesTheMeanOverTheExamplesWithItsProvenance() throws Exception {
    Path head = Conformance.file("clip-vit", "head.safetensors");
    Path model = Conformance.file("clip-vit", "model.safetensors");
    Path examples = Conformance.file("clip-vit", "examples.safetensors");
    Path output = folder.resolve("fisher.safetensors");
    ModelFiles files = ModelFiles.of(model, Optional.of(head), Optional.empty());
    FisherSettings settings = new FisherSettings(new Estimator.FusionBench(), 7, 3);
    new FisherJob(files, examples, settings, Compute.cpu()).run(output, ExampleProgress.SILENT);

    Map<String, double[]> found = Conformance.tensors(output);
    Map<String, double[]> expected =
        Conformance.tensors(Conformance.file("clip-vit", "expected-fusion_bench.safetensors"));
    assertThat(found.keySet()).isEqualTo(expected.keySet());
    assertThat(
            Conformance.relativeError(
                found.get("vision_model.embeddings.patch_embedding.weight"),
                expected.get("vision_model.embeddings.patch_embedding.weight")))
        .isLessThan(1e-4);
    try (Checkpoint file = Checkpoint.open(output);
        Checkpoint checkpoint = Checkpoint.open(model)) {
      assertThat(file.tensors()).isEqualTo(checkpoint.tensors());
      assertThat(file.metadata())
          .containsEntry("estimator", "fusion_bench")
          .containsEntry("examples", "7")
          .containsEntry("batch_size", "3")
          .containsEntry("checkpoint_sha256", sha256(model))
          .containsEntry("examples_sha256", sha256(examples))
          .containsEntry("head_sha256", sha256(head))
          .doesNotContainKeys("seed", "samples");
    }
  }

  @Test
  void usesExactlyAsManyExamplesAsAskedFor() {
    List<String> progress = new ArrayList<>();
    Path output = folder.resolve("fisher.safetensors");
    new FisherJob(gpt2(), EXAMPLES, new FisherSettings(new Estimator.Exact(), 5, 3), Compute.cpu())
        .run(output, (done, total, tokens) -> progress.add(done + "/" + total));
    assertThat(progress).containsExactly("3/5", "5/5");

    Map<String, double[]> firstFive;
    try (ModelRuntime runtime = Conformance.load("gpt2");
        ExampleSource source = Conformance.examples("gpt2");
        SquaredSums sums = new SquaredSums(runtime)) {
      new FisherEstimation(runtime, new Estimator.Exact()).add(source.read(0, 5), sums);
      firstFive = Conformance.mean(sums);
    }
    Map<String, double[]> found = Conformance.tensors(output);
    firstFive.forEach(
        (name, values) ->
            assertThat(Conformance.relativeError(found.get(name), values))
                .as(name)
                .isLessThan(1e-5));
  }

  @Test
  void textsAreCutAtTheMaximalLengthAndTheNumberIsTold() {
    ModelFiles files =
        ModelFiles.of(
            Conformance.file("llama-lm", "model.safetensors"), Optional.empty(), Optional.empty());
    FisherSettings settings =
        new FisherSettings(new Estimator.Empirical(), 6, 3, OptionalInt.of(5));
    Path output = folder.resolve("fisher.safetensors");
    List<String> notes = new ArrayList<>();
    new FisherJob(
            files, Conformance.file("llama-lm", "examples.safetensors"), settings, Compute.cpu())
        .run(output, ExampleProgress.SILENT, notes::add);
    assertThat(notes).hasSize(1);
    assertThat(notes.get(0)).contains("6 examples had more than 5 tokens");
    try (Checkpoint file = Checkpoint.open(output)) {
      assertThat(file.metadata()).containsEntry("max_length", "5");
    }
  }

  @Test
  void aSeedGivesTheSameBytes() throws IOException {
    FisherSettings settings = new FisherSettings(new Estimator.Sampled(2, 5), 7, 2);
    Path first = folder.resolve("first.safetensors");
    Path second = folder.resolve("second.safetensors");
    new FisherJob(gpt2(), EXAMPLES, settings, Compute.cpu()).run(first, ExampleProgress.SILENT);
    new FisherJob(gpt2(), EXAMPLES, settings, Compute.cpu()).run(second, ExampleProgress.SILENT);
    assertThat(second).hasSameBinaryContentAs(first);
    try (Checkpoint file = Checkpoint.open(first)) {
      assertThat(file.metadata())
          .containsEntry("batch_size", "any")
          .containsEntry("seed", "5")
          .containsEntry("samples", "2");
    }
  }

  @Test
  void severalFilesAreHashedAsTheListingOfTheirHashes() throws Exception {
    Path model = folder.resolve("model");
    Files.createDirectories(model);
    Path first = Files.writeString(model.resolve("a.safetensors"), "one");
    Path second = Files.writeString(model.resolve("b.safetensors"), "two");
    Path listing =
        Files.writeString(
            folder.resolve("listing"),
            sha256(first) + "  a.safetensors\n" + sha256(second) + "  b.safetensors\n");
    assertThat(Sha256.of(model, List.of(first, second))).isEqualTo(sha256(listing));
  }

  @Test
  void rejectsMoreExamplesThanThereAreAndWritesNothing() {
    Path output = folder.resolve("fisher.safetensors");
    assertThatThrownBy(
            () ->
                new FisherJob(gpt2(), EXAMPLES, FisherSettings.defaults(), Compute.cpu())
                    .run(output, ExampleProgress.SILENT))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("examples.safetensors")
        .hasMessageContaining("expected 256 examples, found 7");
    assertThat(output).doesNotExist();
  }

  @Test
  void rejectsExamplesThatDoNotSuitTheModelAndWritesNothing() {
    Path output = folder.resolve("fisher.safetensors");
    Path images = Conformance.file("clip-vit", "examples.safetensors");
    assertThatThrownBy(
            () ->
                new FisherJob(
                        gpt2(),
                        images,
                        new FisherSettings(new Estimator.Exact(), 7, 2),
                        Compute.cpu())
                    .run(output, ExampleProgress.SILENT))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("example 0: has no input_ids; it has [pixel_values]");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void rejectsAnOutputThatIsAnInputOrHasNoFolderBeforeItEstimates() throws IOException {
    Path model = Files.copy(GPT2, folder.resolve("model.safetensors"));
    Path config = Conformance.file("gpt2", "config.json");
    Files.copy(config, folder.resolve("config.json"));
    byte[] before = Files.readAllBytes(model);
    FisherJob job =
        new FisherJob(
            ModelFiles.of(folder, Optional.empty(), Optional.empty()),
            EXAMPLES,
            new FisherSettings(new Estimator.Exact(), 7, 2),
            Compute.cpu());
    List<Long> progress = new ArrayList<>();
    assertThatThrownBy(() -> job.run(model, (done, total, tokens) -> progress.add(done)))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("is one of the inputs");
    assertThatThrownBy(
            () ->
                job.run(
                    folder.resolve("no/f.safetensors"),
                    (done, total, tokens) -> progress.add(done)))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("does not exist; create it first");
    assertThat(progress).isEmpty();
    assertThat(Files.readAllBytes(model)).isEqualTo(before);
  }

  @Test
  void aFisherFileInTheModelsFolderLeavesTheNextOnesProvenanceAsItIs() throws Exception {
    Path model = Files.copy(GPT2, folder.resolve("model.safetensors"));
    Files.copy(Conformance.file("gpt2", "config.json"), folder.resolve("config.json"));
    Path output = folder.resolve("fisher.safetensors");
    FisherJob job =
        new FisherJob(
            ModelFiles.of(folder, Optional.empty(), Optional.empty()),
            EXAMPLES,
            new FisherSettings(new Estimator.Exact(), 3, 2),
            Compute.cpu());
    job.run(output, ExampleProgress.SILENT);
    byte[] first = Files.readAllBytes(output);
    job.run(output, ExampleProgress.SILENT);
    assertThat(Files.readAllBytes(output)).isEqualTo(first);
    try (Checkpoint file = Checkpoint.open(output)) {
      assertThat(file.metadata()).containsEntry("checkpoint_sha256", sha256(model));
    }
  }

  @Test
  void rejectsAModelThatIsNotThere() {
    assertThatThrownBy(
            () -> ModelFiles.of(folder.resolve("cars"), Optional.empty(), Optional.empty()))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("cars does not exist");
    assertThatThrownBy(
            () -> ModelFiles.of(folder, Optional.empty(), Optional.empty()).examples(folder))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("config.json: cannot be read: there is no such file");
  }

  @Test
  void rejectsSettingsThatMakeNoSense() {
    assertThatThrownBy(() -> new FisherSettings(new Estimator.Exact(), 0, 2))
        .isInstanceOf(InvalidInput.class);
    assertThatThrownBy(() -> new FisherSettings(new Estimator.Exact(), 2, 0))
        .isInstanceOf(InvalidInput.class);
  }

  private static ModelFiles gpt2() {
    return ModelFiles.of(GPT2, Optional.empty(), Optional.empty());
  }

  private static String sha256(Path file) throws Exception {
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
    return HexFormat.of().formatHex(digest);
  }
}
