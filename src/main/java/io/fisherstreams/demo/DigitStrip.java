package io.fisherstreams.demo;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Base64;
import javax.imageio.ImageIO;

/** Images side by side, as one picture. */
final class DigitStrip {
  private DigitStrip() {}

  /** A PNG as a {@code data:} URL. */
  static String url(DigitImages images) {
    int side = DigitImages.SIDE;
    BufferedImage strip =
        new BufferedImage(side * images.count(), side, BufferedImage.TYPE_BYTE_GRAY);
    for (int j = 0; j < images.pixels().length; j++) {
      int image = j / DigitImages.PIXELS;
      int pixel = j % DigitImages.PIXELS;
      strip
          .getRaster()
          .setSample(
              image * side + pixel % side, pixel / side, 0, Byte.toUnsignedInt(images.pixels()[j]));
    }
    ByteArrayOutputStream png = new ByteArrayOutputStream();
    try {
      ImageIO.write(strip, "png", png);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return "data:image/png;base64," + Base64.getEncoder().encodeToString(png.toByteArray());
  }
}
