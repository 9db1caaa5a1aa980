package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Stage;
import io.micrometer.core.instrument.Metrics;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

final class RejectionLogTest {
  private final Logger logger = (Logger) LoggerFactory.getLogger(RejectionLog.class);
  private final ListAppender<ILoggingEvent> lines = new ListAppender<>();
  private Level before;

  @BeforeEach
  void listen() {
    before = logger.getLevel();
    logger.setLevel(Level.INFO);
    lines.start();
    logger.addAppender(lines);
  }

  @AfterEach
  void stopListening() {
    logger.detachAppender(lines);
    logger.setLevel(before);
  }

  @Test
  void rejectionsOfOneKindAreLoggedAtTheFirstTheTenthAndTheHundredth() {
    RejectionLog log = new RejectionLog(Stage.GRADIENT);
    for (int offset = 0; offset < 256; offset++) {
      log.rejected(
          "p.examples",
          1,
          offset,
          new Rejection(RejectionKind.EXAMPLE, "example " + offset + " has the input 'x'"));
    }
    log.rejected(
        "p.examples", 1, 300, new Rejection(RejectionKind.EXAMPLE, "the record has no value"));
    List<String> said = lines.list.stream().map(ILoggingEvent::getFormattedMessage).toList();
    assertThat(said)
        .containsExactly(
            "stage gradient rejects p.examples partition 1 offset 0: example 0 has the input 'x'",
            "stage gradient has rejected 10 records of this kind, the last is p.examples partition"
                + " 1 offset 9: example 9 has the input 'x'",
            "stage gradient has rejected 100 records of this kind, the last is p.examples partition"
                + " 1 offset 99: example 99 has the input 'x'",
            "stage gradient rejects p.examples partition 1 offset 300: the record has no value");
  }

  @Test
  void aRejectionCountsForItsKindWhateverItsReasonSays() {
    SimpleMeterRegistry meters = new SimpleMeterRegistry();
    Metrics.addRegistry(meters);
    try {
      RejectionLog log = new RejectionLog(Stage.MERGE);
      log.rejected("p.models", 0, 1, new Rejection(RejectionKind.ALIAS, "the record has no key"));
      assertThat(count(meters, "alias")).isEqualTo(1);
      assertThat(count(meters, "key")).isZero();
    } finally {
      Metrics.removeRegistry(meters);
    }
  }

  private static double count(SimpleMeterRegistry meters, String kind) {
    return meters
        .get("fisherstreams.rejected.records")
        .tags("stage", "merge", "kind", kind)
        .counter()
        .count();
  }
}
