package io.fisherstreams.monitor;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Metrics;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Probes get their answer whatever other clients of the port do. */
class MonitorServerTest {
  private static final Duration LIMIT = Duration.ofMillis(500);
  private static final int THREADS = 2;
  // A scrape of more bytes than the system keeps for a client that reads nothing.
  private static final int SERIES = 100_000;
  private static final int WINDOW = 4096;

  @TempDir private Path directory;

  @Test
  void clientsThatReadNothingDoNotStopTheProbes() throws Exception {
    List<Gauge> gauges = new ArrayList<>();
    List<Socket> clients = new ArrayList<>();
    try (Monitor monitor = new Monitor("pool", directory);
        MonitorServer server =
            new MonitorServer(new MonitorOptions("127.0.0.1", 0), monitor, LIMIT)) {
      for (int i = 0; i < SERIES; i++) {
        gauges.add(
            Gauge.builder("a.gauge.with.a.name.that.makes.the.answer.long", () -> 1)
                .tag("series", "a series of this test with the number " + i)
                .register(Metrics.globalRegistry));
      }
      for (int i = 0; i < THREADS; i++) {
        clients.add(ask(server.port()));
      }
      HttpResponse<String> probe =
          HttpClient.newHttpClient()
              .send(
                  HttpRequest.newBuilder(
                          URI.create("http://127.0.0.1:" + server.port() + Monitor.LIVE))
                      .timeout(Duration.ofMinutes(1))
                      .build(),
                  HttpResponse.BodyHandlers.ofString());
      assertThat(probe.statusCode()).isEqualTo(200);
    } finally {
      for (Socket client : clients) {
        client.close();
      }
      gauges.forEach(Metrics.globalRegistry::remove);
    }
  }

  private static Socket ask(int port) throws IOException {
    Socket socket = new Socket();
    socket.setReceiveBufferSize(WINDOW);
    socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    socket
        .getOutputStream()
        .write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".getBytes(US_ASCII));
    return socket;
  }
}
