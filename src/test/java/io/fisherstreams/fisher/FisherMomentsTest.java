package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FisherMomentsTest {
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7, 8, 9, 1000, 4099})
  void areTheExactSumsButForRounding(int elements) {
    float[] payload = payload(elements);
    double divisor = 12.5;
    BigDecimal total = BigDecimal.ZERO;
    BigDecimal squares = BigDecimal.ZERO;
    for (int j = 0; j < elements; j++) {
      BigDecimal entry =
          new BigDecimal(payload[j]).divide(new BigDecimal(divisor), MathContext.DECIMAL128);
      total = total.add(entry);
      squares = squares.add(entry.multiply(entry));
    }

    FisherMoments moments = FisherMoments.of(payload, elements, divisor);

    assertThat(moments.total()).isCloseTo(total.doubleValue(), within(1e-13 * elements));
    assertThat(moments.squares()).isCloseTo(squares.doubleValue(), within(1e-13 * elements));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7, 8, 9, 1000, 4099})
  void haveTheSameBitsWithAndWithoutVectors(int elements) {
    float[] payload = payload(elements);

    assertThat(FisherMoments.of(payload, elements, 3, true))
        .isEqualTo(FisherMoments.of(payload, elements, 3, false));
  }

  /** Entries from 0 to 16, and behind them one that must not count. */
  private static float[] payload(int elements) {
    SplittableRandom random = new SplittableRandom(elements);
    float[] payload = new float[elements + 1];
    for (int j = 0; j < elements; j++) {
      float gradient = (float) (random.nextDouble() * 4);
      payload[j] = gradient * gradient;
    }
    payload[elements] = 1e30f;
    return payload;
  }
}
