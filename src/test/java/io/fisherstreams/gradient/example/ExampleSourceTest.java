package io.fisherstreams.gradient.example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExampleSourceTest {
  private static final Path IMAGES = Path.of("src/test/resources/images");
  private static final ImageProcessor PROCESSOR =
      ImageProcessor.of(
          ModelConfig.parse(
              "config.json", "{\"model_type\": \"clip_vision_model\", \"image_size\": 12}"),
          Optional.empty());

  @TempDir Path folder;

  // A byte-level BPE as GPT-2's, small enough to merge by hand: "low" is l o w → lo w → low, and a
  // space before a word is Ġ.
  private static final String TOKENIZER =
      """
      {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
       "normalizer": null,
       "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                         "use_regex": true},
       "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false,
                          "use_regex": true},
       "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
                   "use_regex": true},
       "model": {"type": "BPE", "dropout": null, "unk_token": null,
                 "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false,
                 "byte_fallback": false,
                 "vocab": {"l": 0, "o": 1, "w": 2, "e": 3, "r": 4, "\u0120": 5, "lo": 6,
                           "low": 7, "er": 8, "\u0120low": 9},
                 "merges": ["l o", "lo w", "e r", "\u0120 low"]}}
      """;

  @Test
  void textIsTokenisedByTheModelsTokenizerAndNeitherPaddedNorCut() throws IOException {
    Path lines =
        Files.writeString(
            folder.resolve("train.jsonl"),
            """
            {"text": "low lower", "label": 1}

            {"text": "we", "label": "good"}
            {"text": "low", "text_pair": "lower", "label": 0}
            """);
    try (ExampleSource source =
        TextExamples.open(
            lines,
            tokenizer(),
            name -> name.equals("good") ? Optional.of(2L) : Optional.empty(),
            false)) {
      assertThat(source.count()).isEqualTo(3);
      List<Example> examples = source.read(0, 3);
      // low, Ġlow + er
      assertThat(examples.get(0).input("input_ids").toLongs()).containsExactly(7, 9, 8);
      assertThat(examples.get(0).input("attention_mask").toLongs()).containsExactly(1, 1, 1);
      assertThat(examples.get(0).label()).isEqualTo(1);
      assertThat(examples.get(1).input("input_ids").toLongs()).containsExactly(2, 3);
      assertThat(examples.get(1).label()).isEqualTo(2);
      assertThat(examples.get(2).input("input_ids").toLongs()).containsExactly(7, 7, 8);
      assertThat(source.read(1, 1).get(0)).isEqualTo(examples.get(1));
      assertThat(examples.get(1).index()).isEqualTo(1);
      assertThat(source.files()).containsExactly(lines);
    }
  }

  @Test
  void aLongTextIsNotCutSilently() throws IOException {
    String text = "low".repeat(700);
    Path lines =
        Files.writeString(
            folder.resolve("long.jsonl"), "{\"text\": \"" + text + "\", \"label\": 0}");
    try (ExampleSource source =
        TextExamples.open(lines, tokenizer(), ExampleSourceTest::noName, false)) {
      assertThat(source.read(0, 1).get(0).input("input_ids").elements()).isEqualTo(700);
    }
  }

  @Test
  void labelsAreNumbersInAnyFormAndTheFileMayBeginWithAMark() throws IOException {
    Path lines =
        Files.writeString(
            folder.resolve("forms.jsonl"),
            "\ufeff{\"text\": \"low\", \"label\": 3.0}\r\n{\"text\": \"low\", \"label\": \"12\"}\r\n");
    try (ExampleSource source =
        TextExamples.open(lines, tokenizer(), ExampleSourceTest::noName, false)) {
      assertThat(source.read(0, 2)).extracting(Example::label).containsExactly(3L, 12L);
    }
  }

  @Test
  void messagesSpeakOfTheUsersFile() throws IOException {
    Path lines =
        Files.writeString(
            folder.resolve("wrong.jsonl"),
            """
            {"text": "low", "label": NaN}
            {"text": "low", "label": true}
            {"text": "\\ud800", "label": 1}
            {"text": "low", "label": "-1"}
            [{"text": "low", "label": 1},
            {"text": "low",
            """);
    String[] reasons = {
      "NaN and Infinity are not JSON; the line begins with {\"text\": \"low\", \"label\": NaN}",
      "expected a class number or name, found true",
      "half of a surrogate pair",
      "\"-1\" is no class name of the model and no class number",
      "expected a JSON object in each line, found an array; this makes lines of it: jq -c '.[]'",
      "the line ends within an object; each example is one line, which jq -c . makes of it"
    };
    try (ExampleSource source =
        TextExamples.open(lines, tokenizer(), ExampleSourceTest::noName, false)) {
      for (int i = 0; i < reasons.length; i++) {
        int index = i;
        assertThatThrownBy(() -> source.read(index, 1))
            .isInstanceOf(InvalidInput.class)
            .hasMessageContainingAll(lines + ": example " + i, reasons[i])
            .hasMessageNotContaining("Feature");
      }
    }
    Path wide =
        Files.write(
            folder.resolve("wide.jsonl"),
            "\ufeff{\"text\": \"low\", \"label\": 1}".getBytes(StandardCharsets.UTF_16LE));
    assertThatThrownBy(() -> TextExamples.open(wide, tokenizer(), ExampleSourceTest::noName, false))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll(wide.toString(), "UTF-16; save it as UTF-8");
  }

  /** A damaged tokenizer gives tokens or one line that names a file, and never another error. */
  @Test
  void aDamagedTokenizerIsAnErrorOfItsFile() throws IOException {
    Path lines =
        Files.writeString(folder.resolve("one.jsonl"), "{\"text\": \"low lower\", \"label\": 1}");
    byte[] whole = Files.readAllBytes(tokenizer());
    Path deep = folder.resolve("deep.json");
    String inDecoder = new String(whole, StandardCharsets.UTF_8);
    for (String value : List.of("\"\\ud800\"", "1e999", "[".repeat(120) + "]".repeat(120))) {
      Files.writeString(
          deep, inDecoder.replace("\"decoder\": {", "\"decoder\": {\"x\": " + value + ", "));
      assertThatThrownBy(() -> TextExamples.open(lines, deep, ExampleSourceTest::noName, false))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining(deep.toString());
    }
    Random random = new Random(5);
    Path copy = folder.resolve("damaged.json");
    for (int round = 0; round < 150; round++) {
      byte[] damaged = whole.clone();
      if (round % 5 == 0) {
        damaged = Arrays.copyOf(whole, random.nextInt(whole.length));
      } else {
        damaged[random.nextInt(whole.length)] =
            (byte) "{}[]\",:0919ntf-".charAt(random.nextInt(15));
      }
      Files.write(copy, damaged);
      try (ExampleSource source =
          TextExamples.open(lines, copy, ExampleSourceTest::noName, false)) {
        source.read(0, 1);
      } catch (InvalidInput e) {
        assertThat(e).hasMessageContaining(folder.toString());
      }
    }
  }

  @Test
  void aBadLineIsRejectedWithFileIndexAndReason() throws IOException {
    Path lines = folder.resolve("bad.jsonl");
    Files.write(
        lines,
        """
        {"text": "low", "label": 0}
        {"text": "low"
        ["text"]
        {"text": 5, "label": 0}
        {"label": 0}
        {"text": "low"}
        {"text": "low", "label": "unknown"}
        {"text": "low", "label": true}
        {"text": "", "label": 1}
        {"text": "low", "label": 1} {"text": "two"}
        {"text": "\u00ff", "label": 1}
        {"text": "low", "label": 0, "label": 1}
        """
            .getBytes(StandardCharsets.ISO_8859_1));
    String[] reasons = {
      "not JSON",
      "expected a JSON object",
      "text: expected a string, found 5",
      "text is missing",
      "label is missing",
      "\"unknown\" is no class name",
      "found true",
      "no tokens",
      "not JSON",
      "not UTF-8",
      "Duplicate field 'label'"
    };
    try (ExampleSource source =
        TextExamples.open(lines, tokenizer(), ExampleSourceTest::noName, false)) {
      assertThat(source.count()).isEqualTo(12);
      for (int i = 0; i < reasons.length; i++) {
        int index = i + 1;
        assertThatThrownBy(() -> source.read(index, 1))
            .isInstanceOf(InvalidInput.class)
            .hasMessageStartingWith("%s: example %d: ", lines, index)
            .hasMessageContaining(reasons[i]);
      }
    }
  }

  @Test
  void aNumberThatIsNoClassIsAValueAndPairsHaveTokenTypesIfWanted() throws IOException {
    Path lines =
        Files.writeString(folder.resolve("values.jsonl"), "{\"text\": \"low\", \"label\": -1.5}\n");
    try (ExampleSource source =
        TextExamples.open(lines, tokenizer(), ExampleSourceTest::noName, true)) {
      Example example = source.read(0, 1).get(0);
      assertThat(example.value()).isEqualTo(-1.5);
      assertThat(example.input("token_type_ids").toLongs()).containsExactly(0);
      assertThatThrownBy(() -> example.labelAmong(3))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("the number of a class");
    }
  }

  @Test
  void ofAPromptOnlyTheCompletionIsPredicted() throws IOException {
    Path lines =
        Files.writeString(
            folder.resolve("language.jsonl"),
            """
            {"text": "low lower"}
            {"prompt": "low", "completion": " lower"}
            {"prompt": "low", "completion": ""}
            {"messages": []}
            {"text": "low", "prompt": "low"}
            """);
    try (ExampleSource source = LanguageExamples.open(lines, tokenizer(), false)) {
      List<Example> examples = source.read(0, 2);
      // low, Ġlow + er
      assertThat(examples.get(0).input("labels").toLongs()).containsExactly(7, 9, 8);
      assertThat(examples.get(1).input("input_ids").toLongs()).containsExactly(7, 9, 8);
      assertThat(examples.get(1).input("labels").toLongs()).containsExactly(-100, 9, 8);
      String[] reasons = {"completion has no tokens", "chat template", "found both"};
      for (int i = 0; i < reasons.length; i++) {
        int index = i + 2;
        assertThatThrownBy(() -> source.read(index, 1))
            .isInstanceOf(InvalidInput.class)
            .hasMessageStartingWith("%s: example %d: ", lines, index)
            .hasMessageContaining(reasons[i]);
      }
    }
    ShortenedExamples shortened =
        new ShortenedExamples(LanguageExamples.open(lines, tokenizer(), false), 2);
    try (shortened) {
      Example first = shortened.read(0, 1).get(0);
      assertThat(first.input("input_ids").toLongs()).containsExactly(7, 9);
      assertThat(first.input("labels").toLongs()).containsExactly(7, 9);
      assertThat(shortened.note()).hasValueSatisfying(n -> assertThat(n).contains("1 examples"));
    }
    try (ExampleSource source = LanguageExamples.open(lines, tokenizer(), true)) {
      Example pair = source.read(1, 1).get(0);
      assertThat(pair.input("input_ids").toLongs()).containsExactly(7);
      assertThat(pair.input("labels").toLongs()).containsExactly(9, 8);
    }
  }

  @Test
  void anEncoderAndADecoderTakePromptAndCompletion() throws IOException {
    Path lines =
        Files.writeString(
            folder.resolve("pairs.jsonl"),
            """
            {"text": "low"}
            {"messages": [{"role": "user", "content": "low"}, {"role": "assistant", "content": "er"}]}
            {"prompt": "", "completion": "low"}
            {"prompt": "low", "completion": ""}
            {"completion": "low"}
            """);
    String[][] reasons = {
      {"expected prompt,", "and completion,", "found text"},
      {"messages are for models without an encoder; give prompt,", "and completion,"},
      {"prompt has no tokens"},
      {"completion has no tokens"},
      {"prompt is missing"}
    };
    try (ExampleSource source = LanguageExamples.open(lines, tokenizer(), true)) {
      for (int i = 0; i < reasons.length; i++) {
        int index = i;
        assertThatThrownBy(() -> source.read(index, 1))
            .isInstanceOf(InvalidInput.class)
            .hasMessageStartingWith("%s: example %d: ", lines, index)
            .hasMessageContainingAll(reasons[i]);
      }
    }
  }

  @Test
  void aClassifierTakesTextAndLabel() throws IOException {
    Path lines =
        Files.writeString(
            folder.resolve("chats.jsonl"),
            """
            {"prompt": "low", "completion": "er"}
            {"messages": [{"role": "user", "content": "low"}]}
            """);
    try (ExampleSource source =
        TextExamples.open(lines, tokenizer(), ExampleSourceTest::noName, false)) {
      for (int index = 0; index < 2; index++) {
        int line = index;
        assertThatThrownBy(() -> source.read(line, 1))
            .isInstanceOf(InvalidInput.class)
            .hasMessageStartingWith("%s: example %d: expected text and label: ", lines, line);
      }
    }
  }

  @Test
  void theFirstLineShowsTheKindOfALine() throws IOException {
    Path lines = folder.resolve("kind.jsonl");
    for (String key : List.of("text", "prompt", "completion", "messages")) {
      assertThat(LineKind.of(Files.writeString(lines, "{\"" + key + "\": \"low\"}")))
          .isEqualTo(LineKind.TEXT);
    }
    assertThat(LineKind.of(Files.writeString(lines, "{\"image\": \"low\"}")))
        .isEqualTo(LineKind.IMAGE);
    Files.writeString(lines, "{\"txt\": \"low\"}");
    assertThatThrownBy(() -> LineKind.of(lines))
        .isInstanceOf(InvalidInput.class)
        .hasMessage(
            "%s: example 0: expected text, prompt and completion, messages, or image", lines);
  }

  @Test
  void aTextThatIsCutBeforeItsFirstTargetIsRejected() throws IOException {
    Path lines =
        Files.writeString(
            folder.resolve("cut.jsonl"), "{\"prompt\": \"low low\", \"completion\": \" lower\"}\n");
    // low, Ġlow, then the completion's Ġlow + er
    try (ExampleSource source =
        new ShortenedExamples(LanguageExamples.open(lines, tokenizer(), false), 3)) {
      assertThat(source.read(0, 1).get(0).input("labels").toLongs()).containsExactly(-100, -100, 9);
    }
    try (ExampleSource source =
        new ShortenedExamples(LanguageExamples.open(lines, tokenizer(), false), 2)) {
      assertThatThrownBy(() -> source.read(0, 1))
          .isInstanceOf(InvalidInput.class)
          .hasMessageStartingWith(
              "%s: example 0: cut after 2 tokens it has nothing to predict: the first token with a"
                  + " label is number 3; set a larger --max-length",
              lines);
    }
  }

  @Test
  void aMissingTokenizerIsNamed() throws IOException {
    Path lines =
        Files.writeString(folder.resolve("train.jsonl"), "{\"text\": \"low\", \"label\": 1}");
    assertThatThrownBy(
            () ->
                TextExamples.open(
                    lines, folder.resolve("tokenizer.json"), ExampleSourceTest::noName, false))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("tokenizer.json");
  }

  @Test
  void imagesOfAFolderTakeTurnsByClass() throws IOException {
    image("10/a.png", "tall");
    image("10/b.png", "wide");
    image("2/c.png", "gray");
    image("2/.hidden", "gray");
    try (ExampleSource source =
        ImageExamples.folder(folder, PROCESSOR, ExampleSourceTest::noName)) {
      List<Example> examples = source.read(0, (int) source.count());
      assertThat(examples).extracting(Example::label).containsExactly(10L, 2L, 10L);
      assertThat(examples.get(1).input("pixel_values").shape()).containsExactly(3L, 12L, 12L);
      assertThat(source.files())
          .containsExactly(
              folder.resolve("10/a.png"), folder.resolve("2/c.png"), folder.resolve("10/b.png"));
    }
  }

  @Test
  void foldersAreNamedByClassWhenTheModelKnowsNames() throws IOException {
    image("cat/a.png", "tall");
    image("dog/a.png", "wide");
    Map<String, Long> names = Map.of("dog", 0L, "cat", 1L);
    try (ExampleSource source =
        ImageExamples.folder(folder, PROCESSOR, name -> Optional.ofNullable(names.get(name)))) {
      assertThat(source.read(0, 2)).extracting(Example::label).containsExactly(1L, 0L);
    }
    try (ExampleSource source =
        ImageExamples.folder(folder, PROCESSOR, ExampleSourceTest::noName)) {
      assertThat(source.read(0, 2)).extracting(Example::label).containsExactly(0L, 1L);
    }
    image("bird/a.png", "wide");
    assertThatThrownBy(
            () ->
                ImageExamples.folder(
                    folder, PROCESSOR, name -> Optional.ofNullable(names.get(name))))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("bird");
  }

  @Test
  void rejectsFoldersThatHoldSomethingElse() throws IOException {
    assertThatThrownBy(() -> ImageExamples.folder(folder, PROCESSOR, ExampleSourceTest::noName))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("subfolder");
    image("0/a.png", "tall");
    Files.writeString(folder.resolve("0/notes.txt"), "notes");
    assertThatThrownBy(() -> ImageExamples.folder(folder, PROCESSOR, ExampleSourceTest::noName))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("notes.txt");
  }

  @Test
  void imagesOfJsonLinesLieBesideTheFile() throws IOException {
    image("pictures/a.png", "tall");
    Files.writeString(folder.resolve("broken.png"), "no image");
    Path lines =
        Files.writeString(
            folder.resolve("images.jsonl"),
            """
            {"image": "pictures/a.png", "label": 3}
            {"image": "broken.png", "label": 3}
            {"image": "absent.png", "label": 3}
            """);
    assertThat(LineKind.of(lines)).isEqualTo(LineKind.IMAGE);
    try (ExampleSource source = ImageExamples.lines(lines, PROCESSOR, ExampleSourceTest::noName)) {
      Example example = source.read(0, 1).get(0);
      assertThat(example.label()).isEqualTo(3);
      assertThat(example.input("pixel_values"))
          .isEqualTo(PROCESSOR.read(IMAGES.resolve("tall.png")));
      for (int index : new int[] {1, 2}) {
        assertThatThrownBy(() -> source.read(index, 1))
            .isInstanceOf(InvalidInput.class)
            .hasMessageStartingWith("%s: example %d: ", lines, index)
            .hasMessageContaining(index == 1 ? "broken.png" : "absent.png");
      }
      assertThatThrownBy(source::files)
          .isInstanceOf(InvalidInput.class)
          .hasMessageStartingWith("%s: example 2: ", lines)
          .hasMessageContaining("absent.png does not exist");
    }
  }

  @Test
  void safetensorsExamplesAreRows() throws IOException {
    Path file = folder.resolve("examples.safetensors");
    ByteBuffer inputs = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);
    inputs.asFloatBuffer().put(new float[] {1, 2, 3, 4, 5, 6});
    ByteBuffer labels = ByteBuffer.wrap(new byte[] {7, 8, 9});
    write(
        file,
        Map.of(
            new TensorInfo("x", DType.F32, List.of(3L, 1L, 2L)), inputs,
            new TensorInfo("labels", DType.U8, List.of(3L)), labels));
    try (ExampleSource source = SafetensorsExamples.open(file)) {
      assertThat(source.count()).isEqualTo(3);
      Example last = source.read(2, 1).get(0);
      assertThat(last.label()).isEqualTo(9);
      assertThat(last.input("x")).isEqualTo(InputTensor.ofFloats(List.of(1L, 2L), 5, 6));
    }
  }

  @Test
  void rejectsSafetensorsWhoseTensorsDisagree() {
    TensorInfo labels = new TensorInfo("labels", DType.I32, List.of(2L));
    TensorInfo three = new TensorInfo("x", DType.U8, List.of(3L));
    TensorInfo floatLabels = new TensorInfo("labels", DType.F32, List.of(2L, 1L));
    TensorInfo two = new TensorInfo("x", DType.U8, List.of(2L));
    ByteBuffer eight = ByteBuffer.allocate(8);
    rejected(Map.of(labels, eight, three, ByteBuffer.allocate(3)), "tensor x");
    rejected(Map.of(three, ByteBuffer.allocate(3)), "labels");
    rejected(Map.of(labels, eight), "no input");
    rejected(Map.of(floatLabels, eight, two, ByteBuffer.allocate(2)), "found F32");
  }

  private void rejected(Map<TensorInfo, ByteBuffer> tensors, String reason) {
    Path file = folder.resolve("examples.safetensors");
    write(file, tensors);
    assertThatThrownBy(() -> SafetensorsExamples.open(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining(reason);
  }

  private static void write(Path file, Map<TensorInfo, ByteBuffer> tensors) {
    try (CheckpointWriter writer =
        CheckpointWriter.file(file, List.copyOf(tensors.keySet()), Map.of())) {
      tensors.forEach((tensor, bytes) -> writer.write(tensor.name(), 0, bytes));
      writer.commit();
    }
  }

  private Path tokenizer() throws IOException {
    return Files.writeString(folder.resolve("tokenizer.json"), TOKENIZER);
  }

  private void image(String name, String resource) throws IOException {
    Path target = folder.resolve(name);
    Files.createDirectories(target.getParent());
    Files.copy(IMAGES.resolve(resource + ".png"), target);
  }

  private static Optional<Long> noName(String name) {
    return Optional.empty();
  }
}
