package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Expected figures were counted in the original files with NumPy: {@code file[::5]}. */
class MnistDataTest {
  @Test
  void holdsEveryFifthImageOfTheOriginalFiles() {
    MnistData data = MnistData.load();
    assertThat(data.train().count()).isEqualTo(12_000);
    assertThat(digitCounts(data.train()))
        .containsExactly(1184, 1353, 1195, 1299, 1109, 1078, 1221, 1240, 1175, 1146);
    assertThat(data.train().labels()).startsWith(5, 2, 3, 7, 4, 2);
    assertThat(ink(data.train(), 0, 12_000)).isEqualTo(314_881_470);
    assertThat(ink(data.train(), 0, 1)).isEqualTo(27_525);
    assertThat(ink(data.train(), 11_999, 12_000)).isEqualTo(25_802);
    assertThat(data.test().count()).isEqualTo(2_000);
    assertThat(digitCounts(data.test()))
        .containsExactly(189, 222, 212, 242, 196, 186, 158, 215, 193, 187);
    assertThat(ink(data.test(), 0, 2_000)).isEqualTo(53_135_815);
  }

  @Test
  void rejectsFilesThatAreNotWhatTheirHeaderSays() {
    byte[] twoLabels = {0, 0, 8, 1, 0, 0, 0, 2, 7, 9};
    assertThat(MnistData.parseIdx("labels", twoLabels, 1)).containsExactly(7, 9);
    assertThatThrownBy(
            () -> MnistData.parseIdx("labels", new byte[] {0, 0, 8, 1, 0, 0, 0, 3, 7, 9}, 1))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("labels: expected 3 bytes after the header, found 2");
    assertThatThrownBy(
            () -> MnistData.parseIdx("labels", new byte[] {0, 0, 13, 1, 0, 0, 0, 2, 7, 9}, 1))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("expected an IDX file of unsigned bytes");
    assertThatThrownBy(() -> MnistData.parseIdx("labels", new byte[] {0, 0, 8}, 1))
        .isInstanceOf(InvalidInput.class);
    byte[] narrow = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 27};
    assertThatThrownBy(() -> MnistData.parseIdx("images", narrow, 3, 28, 28))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("images: expected size 28, found 27");
    byte[] negative = {0, 0, 8, 1, -1, -1, -1, -1};
    assertThatThrownBy(() -> MnistData.parseIdx("labels", negative, 1))
        .isInstanceOf(InvalidInput.class);
  }

  private static int[] digitCounts(DigitImages images) {
    int[] counts = new int[DigitImages.CLASSES];
    for (byte label : images.labels()) {
      counts[label]++;
    }
    return counts;
  }

  private static long ink(DigitImages images, int from, int to) {
    return IntStream.range(from * DigitImages.PIXELS, to * DigitImages.PIXELS)
        .mapToLong(j -> Byte.toUnsignedInt(images.pixels()[j]))
        .sum();
  }
}
