package io.fisherstreams.merge.payload;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PayloadNameTest {
  @Test
  void namesAreThoseOfTheFilesThatExistAlready() {
    assertThat(PayloadName.CHECKPOINT.file()).isEqualTo("checkpoint");
    for (int number : new int[] {0, 1, 15, 16, 17, 1234}) {
      assertThat(PayloadName.fisher(number)).isEqualTo(new PayloadName("fisher-" + number));
      assertThat(PayloadName.open(number)).isEqualTo(new PayloadName("open-" + number));
      assertThat(PayloadName.again(number)).isEqualTo(new PayloadName("again-" + number));
    }
    assertThat(PayloadName.partial(16_384).file()).isEqualTo("partial-16384");
  }

  @ParameterizedTest
  @CsvSource({"checkpoint,checkpoint", "fisher-1,fisher", "fisher-17,fisher"})
  void checkpointsAndFishersAreRecycled(String file, String recycled) {
    assertThat(PayloadName.recycled(file)).contains(recycled);
  }

  @ParameterizedTest
  @CsvSource({"open-1", "again-1", "partial-16384", "fisher-", "fisher-x", "other"})
  void otherFilesAreDeleted(String file) {
    assertThat(PayloadName.recycled(file)).isEmpty();
  }
}
