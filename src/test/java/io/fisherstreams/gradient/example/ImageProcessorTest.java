package io.fisherstreams.gradient.example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.ModelConfig;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
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
