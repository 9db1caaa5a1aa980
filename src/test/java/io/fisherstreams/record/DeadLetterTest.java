package io.fisherstreams.record;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Test;

class DeadLetterTest {
  private static ConsumerRecord<byte[], byte[]> record(Headers headers) {
    return new ConsumerRecord<>(
        "p.examples",
        2,
        7L,
        0L,
        TimestampType.CREATE_TIME,
        1,
        1,
        new byte[1],
        new byte[1],
        headers,
        Optional.empty());
  }

  private static Headers header(String name, String value) {
    return new RecordHeaders().add(name, value.getBytes(UTF_8));
  }

  @Test
  void aLetterNamesTheKindOfItsReasonInsteadOfAnEarlierOne() {
    ProducerRecord<byte[], byte[]> letter =
        DeadLetters.of(
            record(header("fisherstreams.kind", "key")),
            "p.dead-letters",
            Stage.GRADIENT,
            new Rejection(RejectionKind.STALE, "the record has no key"));
    assertThat(letter.headers().headers("fisherstreams.kind"))
        .singleElement()
        .satisfies(header -> assertThat(new String(header.value(), UTF_8)).isEqualTo("stale"));
    DeadLetter read = DeadLetter.of(record(letter.headers()));
    assertThat(read.kind()).isEqualTo(RejectionKind.STALE);
    assertThat(read.reason()).isEqualTo("the record has no key");
  }

  @Test
  void aLetterWithoutAKnownKindIsOfAnotherProgram() {
    assertThat(DeadLetter.of(record(header("fisherstreams.reason", "is stale: "))).kind())
        .isEqualTo(RejectionKind.OTHER);
    assertThat(DeadLetter.of(record(header("fisherstreams.kind", "rust"))).kind())
        .isEqualTo(RejectionKind.OTHER);
  }
}
