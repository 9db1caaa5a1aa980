package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

final class OutageWatchTest {
  @Test
  void anOutageIsLoggedOnceAndItsEndOnce() {
    Logger logger = (Logger) LoggerFactory.getLogger(OutageWatch.class);
    ListAppender<ILoggingEvent> lines = new ListAppender<>();
    lines.start();
    logger.addAppender(lines);
    AtomicBoolean answers = new AtomicBoolean(true);
    try (OutageWatch watch =
        new OutageWatch(
            List.of(
                new OutageWatch.Server("Kafka at h:9092", answers::get),
                new OutageWatch.Server("the schema registry at http://h", () -> true)))) {
      for (boolean now : new boolean[] {true, false, false, false, true, true}) {
        answers.set(now);
        watch.look();
      }
    } finally {
      logger.detachAppender(lines);
    }
    assertThat(lines.list.stream().map(ILoggingEvent::getFormattedMessage))
        .containsExactly(
            "Kafka at h:9092 does not answer; the stages wait until it is back",
            "Kafka at h:9092 is back again");
  }
}
