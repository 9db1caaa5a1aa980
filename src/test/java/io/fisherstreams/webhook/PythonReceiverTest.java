package io.fisherstreams.webhook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The receiver of {@code docs/webhooks.md} as it is printed there, but for its port. */
class PythonReceiverTest {
  private static final String OTHER = "whsec_" + "A".repeat(32);

  @TempDir private Path directory;

  @Test
  void theDocumentedReceiverAcceptsWhatIsSignedWithItsSecret() throws Exception {
    assumeTrue(hasPython(), "python3 is not installed");
    int port = freePort();
    Matcher code =
        Pattern.compile("(?s)```python\n(.*?)```")
            .matcher(Files.readString(Path.of("docs/webhooks.md")));
    assertThat(code.find()).isTrue();
    Path script =
        Files.writeString(
            directory.resolve("receiver.py"),
            code.group(1).replace("9000", Integer.toString(port)));
    Path printed = directory.resolve("printed");
    ProcessBuilder builder = new ProcessBuilder("python3", script.toString());
    builder.environment().put("WEBHOOK_SECRET", WebhookTest.SECRET);
    builder.redirectErrorStream(true).redirectOutput(printed.toFile());
    Process receiver = builder.start();
    try {
      await()
          .atMost(Duration.ofMinutes(1))
          .until(() -> post(port, WebhookTest.SECRET).status() == 204);
      assertThat(post(port, OTHER).status()).isEqualTo(401);
      assertThat(post(port, OTHER + " " + WebhookTest.SECRET).status())
          .as("while the secret is replaced")
          .isEqualTo(204);
      assertThat(printed).content().contains("test {'pool': 'digits'}");
    } finally {
      receiver.destroyForcibly().waitFor();
    }
  }

  private static boolean hasPython() throws InterruptedException {
    try {
      return new ProcessBuilder("python3", "--version").start().waitFor() == 0;
    } catch (IOException e) {
      return false;
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private WebhookClient.Answer post(int port, String secrets)
      throws IOException, InterruptedException {
    Path file = Files.writeString(directory.resolve("secret"), secrets);
    Webhook hook =
        new Webhook(
            "deploy",
            URI.create("http://127.0.0.1:" + port + "/"),
            Optional.empty(),
            Optional.of(file),
            Webhook.TIMEOUT,
            Webhook.FIRST_WAIT,
            Webhook.MAX_WAIT);
    return new WebhookClient(hook).post(ReleaseEvent.test("digits", Instant.now()));
  }
}
