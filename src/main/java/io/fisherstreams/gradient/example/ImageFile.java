package io.fisherstreams.gradient.example;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.FileSize;
import java.awt.Rectangle;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicReference;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.metadata.IIOMetadataNode;
import javax.imageio.stream.FileImageInputStream;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.w3c.dom.NodeList;

/**
 * Decodes an image file to the pixels that Pillow's {@code convert("RGB")} or {@code convert("L")}
 * gives: transparency is dropped, colour profiles and the EXIF orientation are not applied, and an
 * animation is its first frame. The file may come from anybody: its size is checked before its
 * pixels are decoded, and whatever its content makes a decoder do is an error of this file.
 */
final class ImageFile {
  /** Pixels of an image. More would need more than a gigabyte of memory to decode. */
  static final long MAX_PIXELS = 1L << 26;

  /** Bytes of an image file. */
  static final long MAX_FILE_BYTES = 1L << 28;

  private static final int MAGIC_BYTES = 12;

  /** What a reader gives. */
  private interface Decoder<T> {
    T decode(ImageReader reader) throws IOException;
  }

  private ImageFile() {}

  /**
   * Reads a file.
   *
   * @param channels 1 or 3
   * @throws InvalidInput when it is no image, is damaged, or is too large
   */
  static Pixels read(Path file, int channels) {
    try {
      FileSize.requireAtMost(file, MAX_FILE_BYTES);
      return decode(file, channels);
    } catch (InvalidInput e) {
      throw e;
    } catch (IOException e) {
      throw undecodable(file, InvalidInput.reason(e), e);
    } catch (OutOfMemoryError e) {
      throw undecodable(file, "it needs more memory than is available", e);
    } catch (RuntimeException | StackOverflowError | InternalError e) {
      throw undecodable(file, "its content is damaged", e);
    }
  }

  private static InvalidInput undecodable(Path file, String reason, Throwable cause) {
    return new InvalidInput(
        "%s: cannot be decoded: %s".formatted(file, reason == null ? "it is damaged" : reason),
        cause);
  }

  private static Pixels decode(Path file, int channels) throws IOException {
    byte[] start;
    try (InputStream in = Files.newInputStream(file)) {
      start = in.readNBytes(MAGIC_BYTES);
    }
    if (starts(start, 0x89, 'P', 'N', 'G')) {
      return image(file, "png", memory(ImageBytes.png(Files.readAllBytes(file))), channels);
    }
    if (starts(start, 0xFF, 0xD8)) {
      return jpeg(file, ImageBytes.jpeg(Files.readAllBytes(file)), channels);
    }
    if (starts(start, 'G', 'I', 'F', '8')) {
      return gif(file, channels);
    }
    if (starts(start, 'I', 'I', 42, 0) || starts(start, 'M', 'M', 0, 42)) {
      TiffLimits.check(file);
      return image(file, "tiff", new FileImageInputStream(file.toFile()), channels);
    }
    if (starts(start, 'B', 'M')) {
      return image(file, "bmp", new FileImageInputStream(file.toFile()), channels);
    }
    if (starts(start, 'R', 'I', 'F', 'F')
        && starts(Arrays.copyOfRange(start, 8, 12), 'W', 'E', 'B', 'P')) {
      return webp(file, WebpFrame.first(Files.readAllBytes(file)), channels);
    }
    throw new InvalidInput(
        "%s: no image in a known format (PNG, JPEG, GIF, BMP, TIFF, WebP)".formatted(file));
  }

  private static boolean starts(byte[] bytes, int... expected) {
    for (int i = 0; i < expected.length; i++) {
      if (i >= bytes.length || (bytes[i] & 0xFF) != expected[i]) {
        return false;
      }
    }
    return true;
  }

  private static ImageInputStream memory(byte[] bytes) {
    return new MemoryCacheImageInputStream(new ByteArrayInputStream(bytes));
  }

  private static Pixels image(Path file, String format, ImageInputStream in, int channels)
      throws IOException {
    return Pixels.of(with(file, format, in, reader -> reader.read(0)), channels);
  }

  private static Pixels jpeg(Path file, ImageBytes.Jpeg jpeg, int channels) throws IOException {
    return with(
        file,
        "jpeg",
        memory(jpeg.bytes()),
        reader ->
            jpeg.components() == 4
                ? Pixels.ofCmyk(reader.readRaster(0, null), jpeg.colours(), channels)
                : Pixels.of(reader.read(0), channels));
  }

  /** The first picture on the canvas: Pillow fills what it leaves with black. */
  private static Pixels webp(Path file, WebpFrame frame, int channels) throws IOException {
    WebpLibrary.load();
    Pixels pixels;
    try {
      pixels = image(file, "webp", memory(frame.bytes()), channels);
    } catch (IOException e) {
      throw new IOException("its content is damaged", e);
    }
    if (frame.canvasWidth() == 0) {
      return pixels;
    }
    requireSize(file, frame.canvasWidth(), frame.canvasHeight());
    Rectangle canvas = new Rectangle(frame.canvasWidth(), frame.canvasHeight());
    Rectangle part = new Rectangle(frame.left(), frame.top(), pixels.width(), pixels.height());
    if (!canvas.contains(part)) {
      throw new IOException(
          String.format(
              Locale.ROOT,
              "a picture of %d × %d pixels at %d, %d is not inside its canvas of %d × %d",
              part.width,
              part.height,
              part.x,
              part.y,
              canvas.width,
              canvas.height));
    }
    return pixels.within(canvas.width, canvas.height, part, 0);
  }

  /**
   * The first frame on the whole screen: Pillow fills what it leaves with the transparent colour.
   */
  private static Pixels gif(Path file, int channels) throws IOException {
    return with(
        file,
        "gif",
        new FileImageInputStream(file.toFile()),
        reader -> {
          NodeList screen =
              ((IIOMetadataNode)
                      reader.getStreamMetadata().getAsTree("javax_imageio_gif_stream_1.0"))
                  .getElementsByTagName("LogicalScreenDescriptor");
          IIOMetadataNode frame =
              (IIOMetadataNode) reader.getImageMetadata(0).getAsTree("javax_imageio_gif_image_1.0");
          IIOMetadataNode size = (IIOMetadataNode) screen.item(0);
          IIOMetadataNode place =
              (IIOMetadataNode) frame.getElementsByTagName("ImageDescriptor").item(0);
          Rectangle part =
              new Rectangle(
                  number(place, "imageLeftPosition"),
                  number(place, "imageTopPosition"),
                  number(place, "imageWidth"),
                  number(place, "imageHeight"));
          int width = Math.max(number(size, "logicalScreenWidth"), part.x + part.width);
          int height = Math.max(number(size, "logicalScreenHeight"), part.y + part.height);
          requireSize(file, width, height);
          IIOMetadataNode control =
              (IIOMetadataNode) frame.getElementsByTagName("GraphicControlExtension").item(0);
          int background =
              control != null && control.getAttribute("transparentColorFlag").equals("TRUE")
                  ? number(control, "transparentColorIndex")
                  : 0;
          BufferedImage image = reader.read(0);
          int colour = image.getColorModel().getRGB(background);
          return Pixels.of(image, channels).within(width, height, part, colour);
        });
  }

  private static int number(IIOMetadataNode node, String attribute) {
    return Integer.parseInt(node.getAttribute(attribute));
  }

  private static <T> T with(Path file, String format, ImageInputStream stream, Decoder<T> decoder)
      throws IOException {
    ImageReader reader = ImageIO.getImageReadersByFormatName(format).next();
    try (stream) {
      AtomicReference<String> truncated = new AtomicReference<>();
      reader.addIIOReadWarningListener(
          (source, warning) -> {
            if (warning.toLowerCase(Locale.ROOT).contains("premature end")) {
              truncated.set(warning);
            }
          });
      reader.setInput(stream, false, !format.equals("gif"));
      requireSize(file, reader.getWidth(0), reader.getHeight(0));
      T decoded = decoder.decode(reader);
      if (truncated.get() != null) {
        throw new InvalidInput("%s: cannot be decoded: the file is truncated".formatted(file));
      }
      return decoded;
    } finally {
      reader.dispose();
    }
  }

  static void requireSize(Path file, long width, long height) {
    if (width < 1 || height < 1 || width > MAX_PIXELS || width * height > MAX_PIXELS) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: an image of %d × %d pixels, expected at most %d pixels",
              file,
              width,
              height,
              MAX_PIXELS));
    }
  }
}
