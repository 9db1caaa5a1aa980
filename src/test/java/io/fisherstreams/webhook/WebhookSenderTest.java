package io.fisherstreams.webhook;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Receivers that do not end their answer. */
@Timeout(120)
class WebhookSenderTest {
  private static final String ACCEPTED = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

  @TempDir private Path directory;

  /** What a receiver does on its n-th connection, from 1. */
  private interface Receiver {
    void answer(int attempt, OutputStream out) throws IOException;
  }

  private int attempts(Duration timeout, Receiver receiver) throws Exception {
    Path secret = Files.writeString(directory.resolve("secret"), WebhookTest.SECRET);
    AtomicInteger attempts = new AtomicInteger();
    try (ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      Thread accepting = new Thread(() -> serve(server, attempts, receiver));
      accepting.setDaemon(true);
      accepting.start();
      Webhook hook =
          new Webhook(
              "ops",
              URI.create("http://127.0.0.1:" + server.getLocalPort() + "/"),
              Optional.empty(),
              Optional.of(secret),
              timeout,
              Duration.ofMillis(1),
              Duration.ofMillis(1));
      new WebhookSender(new WebhookClient(hook))
          .send(
              new ReleaseEvent(
                  "release.complete", new UUID(0, 1), Instant.EPOCH, 1, new byte[] {'{', '}'}));
    }
    return attempts.get();
  }

  private static void serve(ServerSocket server, AtomicInteger attempts, Receiver receiver) {
    while (!server.isClosed()) {
      try {
        Socket socket = server.accept();
        int attempt = attempts.incrementAndGet();
        Thread answering =
            new Thread(
                () -> {
                  try (socket) {
                    InputStream in = socket.getInputStream();
                    // closing with bytes unread would reset the connection before the answer
                    StringBuilder request = new StringBuilder();
                    for (int b = in.read(); b >= 0; b = in.read()) {
                      request.append((char) b);
                      if (request.toString().endsWith("\r\n\r\n{}")) {
                        receiver.answer(attempt, socket.getOutputStream());
                        return;
                      }
                    }
                  } catch (IOException e) {
                    // the sender has closed the connection
                  }
                });
        answering.setDaemon(true);
        answering.start();
      } catch (IOException e) {
        return;
      }
    }
  }

  private static void write(OutputStream out, String text) throws IOException {
    out.write(text.getBytes(StandardCharsets.US_ASCII));
    out.flush();
  }

  @Test
  void aBodyWithoutEndDoesNotHoldTheHook() throws Exception {
    int attempts =
        attempts(
            Duration.ofSeconds(60),
            (attempt, out) -> {
              write(out, "HTTP/1.1 200 OK\r\n\r\n");
              while (true) {
                write(out, "x".repeat(1000));
              }
            });
    assertThat(attempts).isEqualTo(1);
  }

  @Test
  void aBodyThatStopsHalfWayDoesNotHoldTheHook() throws Exception {
    int attempts =
        attempts(
            Duration.ofSeconds(1),
            (attempt, out) -> {
              write(out, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx");
              hold();
            });
    assertThat(attempts).isEqualTo(1);
  }

  @Test
  void headersWithoutEndAreGivenUpAndTheEventIsSentAgain() throws Exception {
    int attempts =
        attempts(
            Duration.ofSeconds(1),
            (attempt, out) -> {
              if (attempt == 1) {
                write(out, "HTTP/1.1 200 OK\r\nX-Slow: ");
                hold();
              }
              write(out, ACCEPTED);
            });
    assertThat(attempts).isEqualTo(2);
  }

  @Test
  void aRedirectIsNotFollowed() throws Exception {
    int attempts =
        attempts(
            Duration.ofSeconds(60),
            (attempt, out) ->
                write(
                    out,
                    attempt == 1
                        ? "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n"
                            + "Connection: close\r\n\r\n"
                        : ACCEPTED));
    assertThat(attempts).isEqualTo(2);
  }

  private static void hold() {
    try {
      Thread.currentThread().join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
