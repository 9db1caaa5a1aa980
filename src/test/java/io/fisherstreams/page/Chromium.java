package io.fisherstreams.page;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionTimeoutException;

/** A headless Chromium with one page, driven through the DevTools protocol. */
public final class Chromium implements AutoCloseable {
  /** The window of a phone, in CSS pixels. */
  public static final int PHONE = 360;

  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Process process;
  private final WebSocket socket;
  private final AtomicInteger calls = new AtomicInteger();
  private final Map<Integer, CompletableFuture<JsonNode>> answers = new ConcurrentHashMap<>();
  private final List<String> complaints = new CopyOnWriteArrayList<>();

  private Chromium(Process process, URI page) {
    this.process = process;
    this.socket =
        HttpClient.newHttpClient().newWebSocketBuilder().buildAsync(page, new Receiver()).join();
  }

  /** The program, if it is installed. */
  public static Optional<Path> program() {
    return Stream.of(System.getenv("PATH").split(":"))
        .map(folder -> Path.of(folder, "chromium"))
        .filter(Files::isExecutable)
        .findFirst();
  }

  /**
   * Starts it.
   *
   * @param profile an empty folder for its files
   */
  public static Chromium start(Path profile) throws IOException {
    Process process =
        new ProcessBuilder(
                program().orElseThrow().toString(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
                "--user-data-dir=" + profile,
                "about:blank")
            .redirectErrorStream(true)
            .redirectOutput(Files.createTempFile(profile.getParent(), "chromium", ".log").toFile())
            .start();
    try {
      Path port = profile.resolve("DevToolsActivePort");
      Awaitility.await()
          .atMost(PATIENCE)
          .until(() -> Files.exists(port) && Files.readString(port).contains("\n"));
      String list = "http://127.0.0.1:" + Files.readAllLines(port).get(0) + "/json/list";
      Chromium chromium =
          new Chromium(
              process,
              Awaitility.await()
                  .atMost(PATIENCE)
                  .until(() -> page(list), Optional::isPresent)
                  .get());
      for (String domain : List.of("Page", "Runtime", "Log")) {
        chromium.call(domain + ".enable", JSON.createObjectNode());
      }
      return chromium;
    } catch (RuntimeException | Error e) {
      end(process);
      throw e;
    }
  }

  private static Optional<URI> page(String list) throws IOException, InterruptedException {
    String targets =
        HttpClient.newHttpClient()
            .send(
                HttpRequest.newBuilder(URI.create(list)).build(),
                HttpResponse.BodyHandlers.ofString())
            .body();
    for (JsonNode target : JSON.readTree(targets)) {
      if (target.get("type").textValue().equals("page")) {
        return Optional.of(URI.create(target.get("webSocketDebuggerUrl").textValue()));
      }
    }
    return Optional.empty();
  }

  /** Opens an address. */
  public void open(URI url) {
    call("Page.navigate", JSON.createObjectNode().put("url", url.toString()));
    await("document.readyState === 'complete' && location.href !== 'about:blank'");
  }

  /** The value of a JavaScript expression; a promise is waited for. */
  public JsonNode evaluate(String expression) {
    JsonNode answer =
        call(
            "Runtime.evaluate",
            JSON.createObjectNode()
                .put("expression", expression)
                .put("awaitPromise", true)
                .put("returnByValue", true));
    assertThat(answer.path("exceptionDetails").toString()).as(expression).isEmpty();
    return answer.path("result").path("value");
  }

  /** Waits until an expression is true. */
  public void await(String expression) {
    try {
      Awaitility.await()
          .atMost(PATIENCE)
          .pollInterval(Duration.ofMillis(100))
          .until(() -> evaluate("Boolean(" + expression + ")").booleanValue());
    } catch (ConditionTimeoutException e) {
      throw new AssertionError(
          expression
              + " is not true on the page:\n"
              + evaluate("document.body.innerText").asText()
              + "\n"
              + complaints,
          e);
    }
  }

  /** Waits until an element that a CSS selector finds has a text. */
  public void awaitText(String selector, String text) {
    await(
        "[...document.querySelectorAll(%s)].some((element) => element.innerText.includes(%s))"
            .formatted(quoted(selector), quoted(text)));
  }

  /** The text as a literal of JavaScript. */
  public static String quoted(String text) {
    return JSON.getNodeFactory().textNode(text).toString();
  }

  /** Sets the window's size in CSS pixels and the preferred colours. */
  public void show(int width, int height, boolean dark) {
    call(
        "Emulation.setDeviceMetricsOverride",
        JSON.createObjectNode()
            .put("width", width)
            .put("height", height)
            .put("deviceScaleFactor", 1)
            .put("mobile", width <= PHONE));
    ObjectNode media = JSON.createObjectNode();
    media
        .putArray("features")
        .addObject()
        .put("name", "prefers-color-scheme")
        .put("value", dark ? "dark" : "light");
    call("Emulation.setEmulatedMedia", media);
  }

  /** Presses a key, such as {@code Tab}. */
  public void press(String key, int code) {
    for (String type : List.of("rawKeyDown", "keyUp")) {
      call(
          "Input.dispatchKeyEvent",
          JSON.createObjectNode()
              .put("type", type)
              .put("key", key)
              .put("code", key)
              .put("windowsVirtualKeyCode", code));
    }
  }

  /** Writes what the window shows as a PNG. */
  public void screenshot(Path file) throws IOException {
    String data =
        call("Page.captureScreenshot", JSON.createObjectNode().put("format", "png"))
            .get("data")
            .textValue();
    Files.createDirectories(file.getParent());
    Files.write(file, Base64.getDecoder().decode(data));
  }

  /** What the page reported: exceptions, violations of its policy, failed requests. */
  public List<String> complaints() {
    return List.copyOf(complaints);
  }

  /** The violations of accessibility rules that axe finds, in light and dark, wide and narrow. */
  public List<String> accessibilityViolations() throws IOException {
    try (InputStream axe = Chromium.class.getResourceAsStream("/axe.min.js")) {
      evaluate(new String(axe.readAllBytes(), UTF_8) + "; true");
    }
    List<String> violations = new ArrayList<>();
    for (int width : new int[] {1280, PHONE}) {
      for (boolean dark : new boolean[] {false, true}) {
        show(width, 900, dark);
        JsonNode found =
            evaluate(
                "axe.run(document, {resultTypes: ['violations']}).then((result) =>"
                    + " result.violations.map((violation) => violation.id + ': ' +"
                    + " violation.nodes.map((node) => node.html + ' ' + node.failureSummary)))");
        found.forEach(
            violation ->
                violations.add(width + (dark ? " dark " : " light ") + violation.textValue()));
        int overflow =
            evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                .intValue();
        if (overflow > 0) {
          violations.add("at " + width + " pixels the page is " + overflow + " too wide");
        }
      }
    }
    return violations;
  }

  private JsonNode call(String method, ObjectNode parameters) {
    int id = calls.incrementAndGet();
    CompletableFuture<JsonNode> answer = new CompletableFuture<>();
    answers.put(id, answer);
    ObjectNode message = JSON.createObjectNode().put("id", id).put("method", method);
    message.set("params", parameters);
    socket.sendText(message.toString(), true).join();
    try {
      JsonNode found = answer.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      assertThat(found.path("error").toString()).as(method).isEmpty();
      return found.get("result");
    } catch (InterruptedException | ExecutionException | TimeoutException e) {
      throw new AssertionError(method + " " + parameters, e);
    }
  }

  private void received(String text) {
    JsonNode message;
    try {
      message = JSON.readTree(text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    if (message.has("id")) {
      answers.remove(message.get("id").intValue()).complete(message);
    } else if (message.get("method").textValue().equals("Runtime.exceptionThrown")) {
      complaints.add(message.at("/params/exceptionDetails").toString());
    } else if (message.get("method").textValue().equals("Log.entryAdded")) {
      complaints.add(
          message.at("/params/entry/text").textValue()
              + " "
              + message.at("/params/entry/url").asText());
    }
  }

  private static void end(Process process) {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
    try {
      process.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    socket.abort();
    end(process);
  }

  private final class Receiver implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();

    @Override
    public CompletionStage<?> onText(WebSocket from, CharSequence part, boolean last) {
      text.append(part);
      if (last) {
        String message = text.toString();
        text.setLength(0);
        received(message);
      }
      from.request(1);
      return null;
    }
  }
}
