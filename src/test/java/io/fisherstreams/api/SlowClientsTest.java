package io.fisherstreams.api;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fisherstreams.monitor.Monitor;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A client that takes an answer byte by byte holds its slot no longer than the limit. */
class SlowClientsTest {
  private static final Duration LIMIT = Duration.ofMillis(500);
  private static final Duration PATIENCE = Duration.ofMinutes(1);
  private static final int BLOCK = 64 << 10;

  @TempDir private Path directory;
  private final Semaphore slots = new Semaphore(1);

  @Test
  void aSlotIsFreeAgainAlthoughTheClientReadsOn() throws IOException {
    ApiOptions options =
        new ApiOptions("127.0.0.1", 0, Optional.empty(), List.of(), List.of(), 100, 1, 1);
    try (Monitor monitor = new Monitor("pool", directory);
        ApiServer server = new ApiServer(options, monitor, LIMIT)) {
      server.start(List.of(new Route("GET", "/endless", this::endless)));
      try (Socket socket = connect(server.url())) {
        InputStream in = socket.getInputStream();
        assertThat(in.read()).isEqualTo('H');
        assertThat(slots.availablePermits()).isZero();
        await()
            .atMost(PATIENCE)
            .until(
                () -> {
                  assertThat(in.read()).isNotNegative();
                  return slots.availablePermits() == 1;
                });
      }
    }
  }

  /** A small window, so that the system does not take the bytes in the client's place. */
  private static Socket connect(URI url) throws IOException {
    Socket socket = new Socket();
    socket.setReceiveBufferSize(BLOCK);
    socket.connect(new InetSocketAddress(url.getHost(), url.getPort()));
    socket
        .getOutputStream()
        .write("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n".getBytes(US_ASCII));
    return socket;
  }

  private void endless(Request request) throws IOException {
    slots.acquireUninterruptibly();
    try {
      request.begin(200, -1);
      while (true) {
        request.write(new byte[BLOCK], BLOCK);
      }
    } finally {
      slots.release();
    }
  }
}
