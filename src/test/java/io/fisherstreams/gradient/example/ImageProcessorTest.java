package io.fisherstreams.gradient.example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.files.TextFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Against what src/test/resources/images/make.py got from Pillow. */
class ImageProcessorTest {
  private static final Path FOLDER = Path.of("src/test/resources/images");

  @ParameterizedTest
  @ValueSource(strings = {"tall", "wide", "small", "gray", "alpha", "palette", "bilevel", "exact"})
  void givesWhatPillowGives(String image) {
    ModelConfig clip = config("{'model_type': 'clip_vision_model', 'image_size': 12}");
    ModelConfig bilinear =
        config("{'size': {'shortest_edge': 12}, 'crop_size': 12, 'resample': 2}");
    assertSame(image, ".bicubic", ImageProcessor.of(clip, Optional.empty()));
    assertSame(image, ".bilinear", ImageProcessor.of(clip, Optional.of(bilinear)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"tall", "gray", "alpha", "palette", "bilevel"})
  void givesPillowsGray(String image) {
    ModelConfig model = config("{'model_type': 'cnn', 'num_channels': 1, 'image_size': 12}");
    ModelConfig untouched =
        config(
            "{'do_resize': false, 'do_center_crop': false, 'do_rescale': false,"
                + " 'do_normalize': false}");
    assertSame(image, ".luma", ImageProcessor.of(model, Optional.of(untouched)));
  }

  @Test
  void followsThePreprocessorConfig() {
    ModelConfig clip = config("{'model_type': 'clip', 'vision_config': {'image_size': 12}}");
    ModelConfig settings =
        config(
            "{'size': {'height': 2, 'width': 3}, 'crop_size': {'height': 4, 'width': 3},"
                + " 'rescale_factor': 2, 'image_mean': [1, 2, 3], 'image_std': [4, 5, 8]}");
    Pixels constant = new Pixels(3, 1, 1, new byte[] {10, 20, 30});
    InputTensor values = ImageProcessor.of(clip, Optional.of(settings)).process(constant);
    float[] floats = new float[values.elements()];
    values.toFloats(floats, 0);
    assertThat(values.shape()).isEqualTo(List.of(3L, 4L, 3L));
    // Rows 1 and 2 hold the image, 0 and 3 the black border: (2·v − mean) / std.
    assertThat(floats[0]).isEqualTo(-1f / 4);
    assertThat(floats[3]).isEqualTo(19f / 4);
    assertThat(floats[12 + 6]).isEqualTo(38f / 5);
    assertThat(floats[24 + 9]).isEqualTo(-3f / 8);
  }

  /** As ViTImageProcessor: both columns of a wide image stay, and 0 to 255 become -1 to 1. */
  @Test
  void aVitsImagesBecomeSquaresWithoutACrop() {
    ModelConfig vit = config("{'model_type': 'vit', 'image_size': 4}");
    Pixels wide = new Pixels(3, 1, 2, new byte[] {0, -1, 0, -1, 0, -1});
    for (Optional<ModelConfig> settings :
        List.of(
            Optional.<ModelConfig>empty(),
            Optional.of(config("{'size': 4, 'do_resize': true}")),
            Optional.of(config("{'size': {'height': 4, 'width': 4}, 'resample': 2}")))) {
      InputTensor values = ImageProcessor.of(vit, settings).process(wide);
      assertThat(values.shape()).isEqualTo(List.of(3L, 4L, 4L));
      float[] floats = new float[values.elements()];
      values.toFloats(floats, 0);
      assertThat(floats[0]).isEqualTo(-1f);
      assertThat(floats[3]).isEqualTo(1f);
    }
  }

  @Test
  void rejectsWhatItCannotFollow(@TempDir Path folder) throws IOException {
    ModelConfig clip = config("{'model_type': 'clip_vision_model', 'image_size': 12}");
    assertThatThrownBy(() -> ImageProcessor.of(clip, Optional.of(config("{'resample': 1}"))))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("resample 1");
    Path broken = folder.resolve("broken.png");
    byte[] whole = Files.readAllBytes(FOLDER.resolve("tall.png"));
    Files.write(broken, Arrays.copyOf(whole, whole.length / 2));
    Path text = Files.writeString(folder.resolve("text.png"), "no image");
    ImageProcessor processor = ImageProcessor.of(clip, Optional.empty());
    for (Path file : List.of(broken, text, folder.resolve("absent.png"))) {
      assertThatThrownBy(() -> processor.read(file))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining(file.toString());
    }
  }

  private static final String SETTINGS =
      "{\"do_resize\": true, \"size\": {\"shortest_edge\": 12}, \"resample\": 3,\n"
          + "\"do_center_crop\": true, \"crop_size\": {\"height\": 12, \"width\": 12},\n"
          + "\"do_rescale\": true, \"rescale_factor\": 0.00392, \"do_normalize\": true,\n"
          + "\"image_mean\": [0.48, 0.45, 0.4], \"image_std\": [0.26, 0.26, 0.27]}";

  /** A value of {@link #SETTINGS}: a number, a word or a list. */
  private static final Pattern VALUE =
      Pattern.compile("(?<=: )(true|[0-9.]+|\\{[^}]*\\}|\\[[^\\]]*\\])|(?<=[\\[ ])0\\.\\d+");

  private static final List<String> HOSTILE =
      List.of(
          "null",
          "0",
          "-1",
          "1.5",
          "1e308",
          "-1e308",
          "1e999",
          "1e-320",
          "4294967297",
          "99999999999999999999",
          "\"12\"",
          "\"\"",
          "\"\\ud800\"",
          "true",
          "[]",
          "{}",
          "[0, 0, 0]",
          "[1, 2]",
          "[null, 1, 1]",
          "{\"height\": 4097, \"width\": 1}",
          "{\"shortest_edge\": 0}",
          "{\"shortest_edge\": 4096}",
          "[".repeat(2000));

  /** Damaged settings give finite values or one line that names their file, and no other error. */
  @Test
  void damagedSettingsAreAnErrorOfTheirFile(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("preprocessor_config.json");
    List<String> all = new ArrayList<>();
    for (MatchResult value : VALUE.matcher(SETTINGS).results().toList()) {
      for (String hostile : HOSTILE) {
        all.add(SETTINGS.substring(0, value.start()) + hostile + SETTINGS.substring(value.end()));
      }
    }
    assertThat(all).hasSizeGreaterThan(200);
    Random random = new Random(7);
    for (int round = 0; round < 600; round++) {
      StringBuilder damaged = new StringBuilder(SETTINGS);
      for (int change = random.nextInt(3); change >= 0; change--) {
        int at = random.nextInt(damaged.length());
        damaged.setCharAt(at, "{}[]\",:019e-.nt\u0000\u00ff".charAt(random.nextInt(17)));
      }
      all.add(
          round % 6 == 0 ? damaged.substring(0, random.nextInt(damaged.length())) : "" + damaged);
    }
    ModelConfig clip = config("{'model_type': 'clip_vision_model', 'image_size': 12}");
    Pixels image = new Pixels(3, 1, 2, new byte[] {0, -1, 10, 20, 30, 127});
    for (String text : all) {
      Files.writeString(file, text);
      try {
        ModelConfig settings = ModelConfig.parse(file.toString(), TextFile.read(file));
        InputTensor values = ImageProcessor.of(clip, Optional.of(settings)).process(image);
        float[] floats = new float[values.elements()];
        values.toFloats(floats, 0);
        for (float value : floats) {
          if (!Float.isFinite(value)) {
            fail(text + " gives " + value);
          }
        }
      } catch (InvalidInput e) {
        assertThat(e.getMessage()).as(text).startsWith(file.toString()).hasLineCount(1);
      } catch (RuntimeException | StackOverflowError e) {
        fail(text, e);
      }
    }
  }

  private static ModelConfig config(String json) {
    return ModelConfig.parse("config.json", json.replace('\'', '"'));
  }

  private static void assertSame(String image, String what, ImageProcessor processor) {
    InputTensor found = processor.read(FOLDER.resolve(image + ".png"));
    try (Checkpoint expected = Checkpoint.open(FOLDER.resolve("expected.safetensors"))) {
      String name = image + what;
      assertThat(found.shape()).isEqualTo(expected.tensors().get(name).shape());
      float[] values = new float[found.elements()];
      found.toFloats(values, 0);
      ByteBuffer bytes = expected.slice(name, 0, values.length);
      for (int i = 0; i < values.length; i++) {
        // One step of 8 bits is at least 0.014 here; float rounding far less.
        assertThat(values[i]).as("%s[%d]", name, i).isCloseTo(bytes.getFloat(), within(1e-5f));
      }
    }
  }
}
