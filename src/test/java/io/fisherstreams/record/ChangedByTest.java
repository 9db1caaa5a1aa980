package io.fisherstreams.record;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;

class ChangedByTest {
  private static Headers headers(String user) {
    return new RecordHeaders().add(ChangedBy.HEADER, user.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void aHostileNameStaysOneShortLine() {
    assertThat(ChangedBy.of(headers("al\nice\u001b[31m\u2028\u202e"))).contains("al?ice?[31m??");
    assertThat(ChangedBy.of(headers("\ud83d\ude00".repeat(300))).orElseThrow())
        .isEqualTo("\ud83d\ude00".repeat(200));
  }

  @Test
  void aRecordThatNamesNobodyIsByNobody() {
    assertThat(ChangedBy.of(new RecordHeaders())).isEmpty();
    assertThat(ChangedBy.of(headers(""))).isEmpty();
    assertThat(ChangedBy.of(new RecordHeaders().add(ChangedBy.HEADER, null))).isEmpty();
  }

  @Test
  void theFirstNameStays() {
    RecordHeaders headers = new RecordHeaders();
    ChangedBy.set(headers, "alice");
    ChangedBy.set(headers, "bob");
    assertThat(ChangedBy.of(headers)).contains("alice");
  }
}
