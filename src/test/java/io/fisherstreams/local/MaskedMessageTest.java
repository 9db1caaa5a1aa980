package io.fisherstreams.local;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.LoggingEvent;
import org.apache.kafka.streams.errors.MissingSourceTopicException;
import org.junit.jupiter.api.Test;

class MaskedMessageTest {
  @Test
  void aFaultHasItsTrace() {
    assertThat(text(new IllegalStateException("why")))
        .contains("a thread is replaced")
        .contains("IllegalStateException: why")
        .contains("\tat ");
  }

  @Test
  void topicsThatAStartedBrokerDoesNotKnowYetHaveOneLine() {
    assertThat(text(new MissingSourceTopicException("why")).strip())
        .isEqualTo("a thread is replaced");
  }

  private static String text(Exception thrown) {
    MaskedMessage converter = new MaskedMessage();
    converter.start();
    return converter.convert(
        new LoggingEvent(
            "",
            new LoggerContext().getLogger("test"),
            Level.WARN,
            "a thread is replaced",
            thrown,
            new Object[0]));
  }
}
