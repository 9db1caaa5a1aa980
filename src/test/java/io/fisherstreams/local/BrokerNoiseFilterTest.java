package io.fisherstreams.local;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.core.spi.FilterReply;
import java.util.concurrent.CompletionException;
import org.apache.kafka.common.errors.NotControllerException;
import org.apache.kafka.common.errors.UnknownServerException;
import org.junit.jupiter.api.Test;

class BrokerNoiseFilterTest {
  private final BrokerNoiseFilter filter = new BrokerNoiseFilter();

  @Test
  void aRegistrationBeforeTheControllerLeadsIsNormal() {
    assertThat(filter.decide(controllerFails(new NotControllerException("node 1"))))
        .isEqualTo(FilterReply.DENY);
  }

  @Test
  void anotherFailureOfTheControllerIsTold() {
    assertThat(filter.decide(controllerFails(new UnknownServerException("disk"))))
        .isEqualTo(FilterReply.NEUTRAL);
  }

  private static LoggingEvent controllerFails(Exception cause) {
    return new LoggingEvent(
        BrokerNoiseFilterTest.class.getName(),
        new LoggerContext().getLogger("kafka.server.ControllerApis"),
        Level.ERROR,
        "Unexpected error handling request",
        new CompletionException(cause),
        null);
  }
}
