package io.fisherstreams.gradient.example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.ModelConfig;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Against what src/test/resources/images/kinds.py got from Pillow; and files that are damaged. */
class ImageFileTest {
  private static final Path FOLDER = Path.of("src/test/resources/images/kinds");
  private static final ImageProcessor CLIP =
      ImageProcessor.of(
          ModelConfig.parse(
              "config.json", "{\"model_type\": \"clip_vision_model\", \"image_size\": 12}"),
          Optional.empty());

  @TempDir private Path folder;

  static List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(FOLDER)) {
      return files.filter(f -> !f.toString().endsWith(".safetensors")).sorted().toList();
    }
  }

  /** One step of 8 bits is at most 1 / 255 / 0.2613 = 0.0151. */
  @ParameterizedTest
  @MethodSource("files")
  void givesWhatPillowGives(Path file) {
    InputTensor found = CLIP.read(file);
    float[] values = new float[found.elements()];
    found.toFloats(values, 0);
    try (Checkpoint expected = Checkpoint.open(FOLDER.resolve("expected.safetensors"))) {
      ByteBuffer pixels = expected.slice(file.getFileName().toString(), 0, values.length);
      for (int i = 0; i < values.length; i++) {
        assertThat(values[i]).as("%s[%d]", file, i).isCloseTo(pixels.getFloat(), within(0.0152f));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("files")
  void rejectsAFileOfHalfItsLength(Path file) throws IOException {
    if (file.endsWith("animated.gif")
        || file.endsWith("animated.webp")
        || file.endsWith("part.webp")) {
      return; // its first half has the first frame
    }
    byte[] whole = Files.readAllBytes(file);
    Path half = folder.resolve(file.getFileName());
    Files.write(half, Arrays.copyOf(whole, whole.length / 2));
    assertThatThrownBy(() -> CLIP.read(half))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(half.toString())
        .hasMessageNotContaining("Exception");
  }

  /** A damaged file gives some pixels or one line that names it, and never another error. */
  @ParameterizedTest
  @MethodSource("files")
  void survivesDamage(Path file) throws IOException {
    Random random = new Random(8);
    byte[] whole = Files.readAllBytes(file);
    for (int round = 0; round < 40; round++) {
      byte[] damaged = whole.clone();
      for (int i = 0; i <= random.nextInt(8); i++) {
        int within = random.nextBoolean() ? Math.min(64, whole.length) : whole.length;
        damaged[random.nextInt(within)] = (byte) random.nextInt(256);
      }
      Path copy = Files.write(folder.resolve(file.getFileName()), damaged);
      try {
        CLIP.read(copy);
      } catch (InvalidInput e) {
        assertThat(e).hasMessageContaining(copy.toString()).hasMessageNotContaining("Exception");
      }
    }
  }

  @Test
  void rejectsAnImageWithMorePixelsThanTheLimitBeforeItIsDecoded() throws IOException {
    byte[] header = ByteBuffer.allocate(13).putInt(30_000).putInt(30_000).put((byte) 1).array();
    Path png = folder.resolve("white.png");
    Files.write(png, png(chunk("IHDR", header), chunk("IDAT", new byte[10])));
    byte[] gif = Files.readAllBytes(FOLDER.resolve("transparent.gif"));
    Arrays.fill(gif, 6, 10, (byte) 0xFF);
    Path screen = Files.write(folder.resolve("screen.gif"), gif);
    assertThatThrownBy(() -> CLIP.read(png))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll(png.toString(), "30000 × 30000 pixels, expected at most 67108864");
    assertThatThrownBy(() -> CLIP.read(screen)).hasMessageContaining("65535 × 65535 pixels");
  }

  /** A small file may claim any size: in its picture, with or without loss, or for its canvas. */
  @Test
  void rejectsAWebpWithMorePixelsThanTheLimitBeforeItIsDecoded() throws IOException {
    byte[] lossless = Files.readAllBytes(FOLDER.resolve("lossless.webp"));
    Arrays.fill(lossless, 21, 24, (byte) 0xFF); // 14 bits of width, 14 of height
    lossless[24] |= 0x0F;
    byte[] lossy = Files.readAllBytes(FOLDER.resolve("lossy.webp"));
    Arrays.fill(lossy, 26, 30, (byte) 0x3F);
    byte[] canvas = Files.readAllBytes(FOLDER.resolve("part.webp"));
    Arrays.fill(canvas, 24, 30, (byte) 0xFF);
    Path file = folder.resolve("bomb.webp");
    Files.write(file, lossless);
    assertThatThrownBy(() -> CLIP.read(file)).hasMessageContaining("16384 × 16384 pixels");
    Files.write(file, lossy);
    assertThatThrownBy(() -> CLIP.read(file)).hasMessageContaining("16191 × 16191 pixels");
    Files.write(file, canvas);
    assertThatThrownBy(() -> CLIP.read(file)).hasMessageContaining("16777216 × 16777216 pixels");
  }

  @Test
  void rejectsAWebpWhosePictureIsNotInsideItsCanvas() throws IOException {
    byte[] outside = Files.readAllBytes(FOLDER.resolve("animated.webp"));
    outside[indexOf(outside, "ANMF") + 8] = 1;
    Path file = Files.write(folder.resolve("outside.webp"), outside);
    assertThatThrownBy(() -> CLIP.read(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll(
            file.toString(), "48 × 40 pixels at 2, 0 is not inside its canvas of 48 × 40");
  }

  private static int indexOf(byte[] bytes, String text) {
    return new String(bytes, StandardCharsets.ISO_8859_1).indexOf(text);
  }

  /** Resized to 12 columns, it would have 12 × 60,000,000 pixels. */
  @Test
  void rejectsAnImageThatBecomesTooLargeWhenItIsResized() throws IOException {
    byte[] header = ByteBuffer.allocate(13).putInt(60_000_000).putInt(1).put((byte) 1).array();
    byte[] row = deflated(new byte[1 + 60_000_000 / 8]);
    Path line = folder.resolve("line.png");
    Files.write(line, png(chunk("IHDR", header), chunk("IDAT", row), chunk("IEND", new byte[0])));
    assertThatThrownBy(() -> CLIP.read(line))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("when it is resized");
  }

  /** A text of 200 MB that is small while it is compressed: it is not unpacked. */
  @Test
  void doesNotUnpackTexts() throws IOException {
    byte[] plain = Files.readAllBytes(FOLDER.resolve("gray-4-bits.png"));
    byte[] text = deflated(new byte[200_000_000]);
    ByteArrayOutputStream bomb = new ByteArrayOutputStream();
    bomb.write(plain, 0, 33);
    for (String kind : List.of("zTXt", "iCCP")) {
      bomb.write(chunk(kind, concatenated("a\0\0".getBytes(StandardCharsets.US_ASCII), text)));
    }
    bomb.write(plain, 33, plain.length - 33);
    Path file = Files.write(folder.resolve("bomb.png"), bomb.toByteArray());
    assertThat(CLIP.read(file).bytes())
        .isEqualTo(CLIP.read(FOLDER.resolve("gray-4-bits.png")).bytes());
  }

  private static byte[] deflated(byte[] bytes) {
    Deflater deflater = new Deflater(9);
    deflater.setInput(bytes);
    deflater.finish();
    ByteArrayOutputStream result = new ByteArrayOutputStream();
    byte[] part = new byte[1 << 16];
    while (!deflater.finished()) {
      result.write(part, 0, deflater.deflate(part));
    }
    deflater.end();
    return result.toByteArray();
  }

  private static byte[] png(byte[]... chunks) {
    byte[] result = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 26, '\n'};
    for (byte[] chunk : chunks) {
      result = concatenated(result, chunk);
    }
    return result;
  }

  private static byte[] chunk(String kind, byte[] data) {
    byte[] body = concatenated(kind.getBytes(StandardCharsets.US_ASCII), data);
    CRC32 crc = new CRC32();
    crc.update(body);
    return ByteBuffer.allocate(body.length + 8)
        .putInt(data.length)
        .put(body)
        .putInt((int) crc.getValue())
        .array();
  }

  private static byte[] concatenated(byte[] first, byte[] second) {
    byte[] result = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, result, first.length, second.length);
    return result;
  }
}
