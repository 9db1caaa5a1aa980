package io.fisherstreams.local;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.joran.JoranConfigurator;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.core.status.Status;
import ch.qos.logback.core.status.StatusUtil;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.Secrets;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Instant;
import org.apache.kafka.streams.errors.MissingSourceTopicException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.slf4j.MDC;
import org.slf4j.event.KeyValuePair;

class JsonLogTest {
  private final LoggerContext context = new LoggerContext();
  private final JsonLog log = new JsonLog();

  @BeforeEach
  void start() {
    log.setContext(context);
    log.start();
  }

  private JsonNode encode(LoggingEvent event) throws IOException {
    String line = new String(log.encode(event), UTF_8);
    assertThat(line).endsWith("}\n");
    assertThat(line.strip()).doesNotContain("\n");
    return new ObjectMapper().readTree(line);
  }

  private LoggingEvent event(String message, Throwable failure) {
    LoggingEvent event =
        new LoggingEvent(
            "x",
            context.getLogger("io.fisherstreams.coordinator.PoolEvents"),
            Level.INFO,
            message,
            failure,
            null);
    event.setThreadName("main");
    event.setInstant(Instant.parse("2026-11-29T12:00:00.123Z"));
    return event;
  }

  @Test
  void anEventIsOneLineWithItsFields() throws IOException {
    context.putProperty(JsonLog.POOL, "vision");
    LoggingEvent event = event("model cars@7 arrives:\n\"quoted\"", null);
    event.addKeyValuePair(new KeyValuePair("model", "cars"));
    event.addKeyValuePair(new KeyValuePair("version", 7L));
    JsonNode json = encode(event);
    assertThat(json)
        .isEqualTo(
            new ObjectMapper()
                .readTree(
                    """
                    {"time": "2026-11-29T12:00:00.123Z", "level": "INFO",
                     "logger": "io.fisherstreams.coordinator.PoolEvents", "thread": "main",
                     "pool": "vision", "stage": "coordinator", "model": "cars", "version": 7,
                     "message": "model cars@7 arrives:\\n\\"quoted\\""}
                    """));
  }

  @Test
  void secretsAreMaskedInMessageFieldsAndTrace() throws IOException {
    Secrets.hide("Zq8secret-of-a-log");
    LoggingEvent event =
        event("to Zq8secret-of-a-log", new IllegalStateException("Zq8secret-of-a-log"));
    event.addKeyValuePair(new KeyValuePair("model", "Zq8secret-of-a-log"));
    JsonNode json = encode(event);
    assertThat(json.toString()).doesNotContain("Zq8secret");
    assertThat(json.get("trace").textValue()).contains("IllegalStateException: ***", "\tat ");
    assertThat(json.get("message").textValue()).isEqualTo("to ***");
  }

  @Test
  void topicsThatAStartedBrokerDoesNotKnowYetHaveNoTrace() throws IOException {
    JsonNode json = encode(event("replaced", new MissingSourceTopicException("why")));
    assertThat(json.get("message").textValue()).isEqualTo("replaced");
    assertThat(json.has("trace")).isFalse();
  }

  @ParameterizedTest
  @CsvSource({
    "my-pool-merge-0a1b2c3d-1111-4222-8333-444455556666-StreamThread-1, org.apache.kafka.X, merge",
    "p-coordinator-0a1b2c3d-1111-4222-8333-444455556666-StreamThread-2, x.Y, coordinator",
    "gate-worker, x.Y, gate",
    "webhook-chat, io.fisherstreams.webhook.WebhookSender, webhook-chat",
    "webhook-chat-worker, io.fisherstreams.webhook.WebhookSender, webhook-chat",
    "gradient-1, io.fisherstreams.estimation.GradientWorker, gradient",
    "api-3, io.fisherstreams.api.ApiServer, api"
  })
  void theStageIsThatOfTheThreadOrTheLogger(String thread, String logger, String stage) {
    assertThat(JsonLog.stage(thread, logger)).contains(stage);
  }

  @Test
  void thePropertyChoosesTheFormat() throws Exception {
    PrintStream before = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    LoggerContext configured = new LoggerContext();
    configured.setMDCAdapter(MDC.getMDCAdapter());
    System.setProperty("fisherstreams.log.format", "json");
    System.setErr(new PrintStream(said, true, UTF_8));
    try {
      JoranConfigurator configurator = new JoranConfigurator();
      configurator.setContext(configured);
      configurator.doConfigure(JsonLog.class.getResource("/logback.xml"));
      configured.getLogger("io.fisherstreams.x").atWarn().addKeyValue("release", 3L).log("hi");
      assertThat(
              StatusUtil.filterStatusListByTimeThreshold(
                  configured.getStatusManager().getCopyOfStatusList(), 0))
          .as("what Logback would print")
          .noneMatch(status -> status.getLevel() > Status.INFO);
    } finally {
      System.setErr(before);
      System.clearProperty("fisherstreams.log.format");
      configured.stop();
    }
    String line = said.toString(UTF_8);
    assertThat(new ObjectMapper().readTree(line).path("release").longValue()).as(line).isEqualTo(3);
  }

  @Test
  void otherEventsHaveNoStage() {
    assertThat(JsonLog.stage("main", "io.fisherstreams.cli.Main")).isEmpty();
    assertThat(JsonLog.stage("kafka-admin", "org.apache.kafka.X")).isEmpty();
  }
}
