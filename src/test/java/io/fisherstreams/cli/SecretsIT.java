package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.joran.JoranConfigurator;
import ch.qos.logback.core.joran.spi.JoranException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.record.PoolTopics;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgGroupSpec;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * Runs every command that takes an address or a file of settings with secrets in each of their
 * places, with all logs on, and looks for the secrets in what it says and writes. Each run has
 * secrets of its own, so that what an earlier one has made known to the masking does not help it.
 */
final class SecretsIT {
  private static final Path CASE =
      Path.of("src/test/resources/conformance/merge/three-models-normalized");
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  /** Options that lead to secrets; a command that has none of them is given none. */
  private static final Set<String> LEADING =
      Set.of("--config", "--command-config", "--schema-registry", "--bootstrap-servers");

  /** Arguments of commands whose usage does not say enough, without the program's name. */
  private static final Map<String, List<String>> ARGUMENTS =
      Map.of(
          "merge", List.of(CASE.resolve("merge.yaml").toString()),
          "evaluate", List.of(CASE.resolve("merge.yaml").toString()),
          "tune",
              List.of(
                  CASE.resolve("merge.yaml").toString(), "--output=target/tuned-by-a-test.yaml"),
          "run", List.of("--all"),
          "method set", List.of("fisher"),
          "webhooks replay", List.of("hook-of-a-test", "--release", "1"),
          "publish checkpoint", List.of("--model", "m", file("model-a.safetensors")),
          "publish fisher", List.of("--model", "m", file("model-a.fisher.safetensors")));

  /** Settings that come from environment variables, for a process that has them. */
  private static final String ENVIRONMENT = "environment";

  /** An environment variable of the services that run in processes of their own. */
  private static final String VARIABLE = "SECRET_OF_A_TEST";

  /** Every secret begins with it. */
  private static final String MARK = "Zq8secret";

  /** How a header with the user {@code registry-user} and a secret begins. */
  private static final String ENCODED =
      Base64.getEncoder()
          .encodeToString(
              "registry-user:".concat(MARK).substring(0, 15).getBytes(StandardCharsets.UTF_8));

  @TempDir private Path directory;
  private final PrintStream out = System.out;
  private final PrintStream err = System.err;
  private final ByteArrayOutputStream said = new ByteArrayOutputStream();
  private final AtomicInteger number = new AtomicInteger();

  @BeforeEach
  void logEverythingAndCapture() throws Exception {
    Files.createDirectories(given());
    PrintStream capture = new PrintStream(said, true, StandardCharsets.UTF_8);
    System.setOut(capture);
    System.setErr(capture);
    System.setProperty("fisherstreams.log", "DEBUG");
    configureLogs();
    // The broker in this process is no part of the commands; its logs would be most of all.
    for (String broker :
        List.of(
            "kafka",
            "state.change.logger",
            "org.apache.kafka.raft",
            "org.apache.kafka.controller",
            "org.apache.kafka.server",
            "org.apache.kafka.storage",
            "org.apache.kafka.coordinator",
            "org.apache.kafka.image",
            "org.apache.kafka.metadata",
            "org.apache.kafka.queue")) {
      ((LoggerContext) LoggerFactory.getILoggerFactory()).getLogger(broker).setLevel(Level.ERROR);
    }
  }

  @AfterEach
  void restore() throws JoranException {
    System.setOut(out);
    System.setErr(err);
    System.clearProperty("fisherstreams.log");
    configureLogs();
  }

  private static void configureLogs() throws JoranException {
    LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
    context.reset();
    JoranConfigurator configurator = new JoranConfigurator();
    configurator.setContext(context);
    configurator.doConfigure(SecretsIT.class.getResource("/logback.xml"));
  }

  @Test
  void noCommandShowsASecretThatItWasGiven() throws Exception {
    Map<String, CommandSpec> commands = new LinkedHashMap<>();
    collect(Main.commandLine(), commands);
    assertThat(commands.keySet())
        .contains("merge", "status", "run", "serve", "publish checkpoint", "topics delete");
    HttpServer closed = rejectingRegistry();
    List<Process> services = new ArrayList<>();
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
        EmbeddedRegistry registry = EmbeddedRegistry.start()) {
      String servers = broker.bootstrapServers();
      String open = registry.url().substring("http://".length());
      String wrong = "127.0.0.1:" + closed.getAddress().getPort();
      services.add(
          start("serve", directory.resolve("served").toString(), "--config", webhooksOnly()));
      Run first = new Run("topics create", commands.get("topics create"));
      assertThat(first.execute(first.config(servers, open, ""))).isZero();
      Run running = new Run("run", commands.get("run"));
      services.add(
          start(
              Stream.concat(
                      running.line().stream(),
                      Stream.of("--config", running.config(servers, open, ENVIRONMENT).toString()))
                  .toArray(String[]::new)));
      makeARelease(commands, servers, open);
      for (Map.Entry<String, CommandSpec> command : commands.entrySet()) {
        Run run = new Run(command.getKey(), command.getValue());
        if (!run.serves()) {
          assertThat(run.execute(run.config(servers, open, "")))
              .as("exit of %s, 2 is wrong usage: name its arguments here", command.getKey())
              .isNotEqualTo(2);
        }
      }
      for (Map.Entry<String, CommandSpec> command : commands.entrySet()) {
        fail(command, "wrong usage", servers, open);
        fail(command, "wrong configuration", servers, open);
        if (!command.getKey().equals("serve")) {
          fail(command, "invalid registry", servers, "u:" + secret() + "/" + secret() + "@host");
          fail(command, "registry without rights", servers, wrong + "/x?token=" + secret());
          fail(command, "unusable key store", servers, open);
          fail(command, "invalid login module", servers, open);
          fail(command, "user of a broker", "me:" + secret() + "@" + servers, open);
        }
      }
      failWithoutBroker(commands, open);
      await().atMost(PATIENCE).until(() -> log("run").contains("hook-of-a-test: release."));
      await().atMost(PATIENCE).until(() -> Files.exists(directory.resolve("served/serve.json")));
      readTheApi();
      for (Process service : services) {
        service.destroy(); // what it says at its end counts too
        service.waitFor();
      }
    } finally {
      services.forEach(Process::destroyForcibly);
      closed.stop(0);
    }
    assertNoSecrets();
  }

  /** What the API and the page of the served pool show counts too. */
  private void readTheApi() throws Exception {
    URI api =
        URI.create(
            new ObjectMapper()
                .readTree(directory.resolve("served/serve.json").toFile())
                .get("api")
                .textValue());
    for (String path :
        List.of(
            "/",
            "/v1/pool",
            "/v1/models",
            "/v1/releases",
            "/v1/aliases",
            "/v1/dead-letters",
            "/v1/releases/" + secret(),
            "/v1/models/m/withdraw?token=" + secret())) {
      HttpRequest.Builder request = HttpRequest.newBuilder(api.resolve(path));
      request.header("Authorization", "Bearer " + secret());
      if (path.contains("withdraw")) {
        request.POST(HttpRequest.BodyPublishers.noBody());
      }
      HttpResponse<String> answer =
          HttpClient.newHttpClient().send(request.build(), HttpResponse.BodyHandlers.ofString());
      if (!path.contains("/releases/")) { // it names what it was asked for
        assertShowsNone(path, answer.body());
      }
    }
  }

  private void makeARelease(Map<String, CommandSpec> commands, String servers, String registry)
      throws IOException {
    for (String line :
        List.of(
            "publish checkpoint --model base --base " + file("base.safetensors"),
            "publish checkpoint --model model-a " + file("model-a.safetensors"),
            "publish fisher --model model-a " + file("model-a.fisher.safetensors"))) {
      Run run = new Run("publish checkpoint", commands.get("publish checkpoint"));
      String[] words = line.split(" ");
      assertThat(run.execute(List.of(words), run.config(servers, registry, ""))).isZero();
    }
    await()
        .atMost(PATIENCE)
        .until(
            () -> {
              said.reset();
              Run run = new Run("releases", commands.get("releases"));
              return run.execute(run.config(servers, registry, "")) == 0
                  && text().contains("COMPLETE");
            });
  }

  /** Runs a command that must not succeed. */
  private void fail(
      Map.Entry<String, CommandSpec> command, String how, String servers, String registry)
      throws IOException {
    Run run = new Run(command.getKey(), command.getValue());
    int exit = run.execute(run.lineWith(how), run.config(servers, registry, how));
    if (!how.startsWith("registry")) { // not every command asks it
      assertThat(exit).as("%s, %s", command.getKey(), how).isNotZero();
    }
  }

  /** All at once: each waits ten seconds for an answer. */
  private void failWithoutBroker(Map<String, CommandSpec> commands, String registry)
      throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(commands.size());
    try {
      List<Future<?>> runs = new ArrayList<>();
      for (Map.Entry<String, CommandSpec> command : commands.entrySet()) {
        if (!command.getKey().equals("serve")) {
          runs.add(
              threads.submit(
                  () -> {
                    Run run = new Run(command.getKey(), command.getValue());
                    int exit = run.execute(run.config("127.0.0.1:1", registry, ""));
                    assertThat(exit).as(command.getKey()).isEqualTo(1);
                    return null;
                  }));
        }
      }
      for (Future<?> run : runs) {
        run.get();
      }
    } finally {
      threads.shutdownNow();
    }
  }

  /** A command with secrets of its own. */
  private final class Run {
    private final String name;
    private final CommandSpec spec;
    private final int id = number.incrementAndGet();

    Run(String name, CommandSpec spec) {
      this.name = name;
      this.spec = spec;
    }

    boolean serves() {
      return name.equals("run") || name.equals("serve");
    }

    List<String> line() {
      List<String> line = new ArrayList<>(List.of(name.split(" ")));
      line.addAll(ARGUMENTS.containsKey(name) ? ARGUMENTS.get(name) : required());
      for (OptionSpec option : spec.options()) {
        if (option.required() && option.longestName().equals("--output")) {
          line.remove("--output");
          line.add("--output=" + directory.resolve("output-" + id + ".safetensors"));
        }
      }
      return line;
    }

    private List<String> required() {
      List<String> arguments = new ArrayList<>();
      List<ArgSpec> needed = new ArrayList<>(spec.args());
      for (ArgGroupSpec group : spec.argGroups()) {
        needed.removeAll(group.allOptionsNested());
      }
      for (ArgSpec argument : needed) {
        if (argument instanceof OptionSpec option) {
          if (option.required() && !option.longestName().equals("--output")) {
            arguments.add(
                option.arity().max() == 0
                    ? option.longestName()
                    : option.longestName() + "=" + value(option));
          }
        } else if (argument.arity().min() > 0) {
          arguments.add(value(argument));
        }
      }
      return arguments;
    }

    private static String value(ArgSpec argument) {
      Class<?> type = argument.type();
      if (type == Path.class) {
        return file("model-a.safetensors");
      }
      if (type.isEnum()) {
        return type.getEnumConstants()[0].toString();
      }
      // what a text stands for may be a number: a coefficient, a release
      return type == String.class && !argument.paramLabel().matches("LAMBDA|N_OR_ALIAS")
          ? "m"
          : "1";
    }

    List<String> lineWith(String how) {
      List<String> line = line();
      if (how.equals("wrong usage")) {
        String url = "http://me:" + secret() + "@host/?token=" + secret();
        line.addAll(List.of("--no-such-option", url, "--config", url, "--config=" + url));
      }
      return line;
    }

    int execute(Path config) {
      return execute(line(), config);
    }

    int execute(List<String> line, Path config) {
      List<String> all = new ArrayList<>(line);
      all.addAll(List.of("--config", config.toString()));
      if (spec.findOption("--schema-registry") != null && id % 2 == 0) {
        all.addAll(List.of("--schema-registry", registryOption));
      }
      return Main.run(all.toArray(String[]::new));
    }

    private String registryOption = "";

    /** A configuration with secrets wherever there may be some. */
    Path config(String servers, String registry, String how) throws IOException {
      String user = registry.indexOf('@') >= 0 ? "" : "registry-user:" + secret() + "@";
      registryOption = "http://" + user + registry;
      Path client = given().resolve("client-" + id + ".properties");
      Path hidden = given().resolve("hidden-" + id + ".properties");
      Path hook = given().resolve("hook-" + id);
      Files.writeString(hidden, "password=%s\n".formatted(secret()));
      Files.writeString(hook, webhookSecret() + "\n");
      Files.writeString(given().resolve("key-" + id), "no key store, but " + secret());
      Files.writeString(client, client(hidden, how));
      String text =
          """
          pool: secrets
          bootstrap_servers: %s
          schema_registry: %s
          command_config: %s
          state_directory: %s
          %s
          """
              .formatted(
                  servers, registryOption, client, directory.resolve("state"), webhooks(hook, how));
      return Files.writeString(
          given().resolve("config-" + id + ".yaml"),
          name.equals("serve")
              ? text.replaceAll("(?m)^(boot|schema|command|state).*\n", "")
              : text);
    }

    private String client(Path hidden, String how) {
      String module =
          "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"me\" password=\"%s\""
              .formatted(secret());
      String settings =
          """
          config.providers=file,env
          config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider
          config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
          sasl.jaas.config=%s%s
          ssl.keystore.password=%s
          ssl.key.password=%s
          ssl.truststore.password=${file:%s:password}
          producer.ssl.key.password=%s
          main.consumer.ssl.truststore.password=%s
          sasl.oauthbearer.client.credentials.client.secret=%s
          bearer.auth.token=%s
          """
              .formatted(
                  module,
                  how.equals("invalid login module") ? "" : ";",
                  secret(),
                  secret(),
                  hidden,
                  secret(),
                  secret(),
                  secret(),
                  secret());
      if (id % 3 == 0) {
        settings += "basic.auth.credentials.source=USER_INFO\n";
        settings += "basic.auth.user.info=registry-user:" + secret() + "\n";
      }
      return switch (how) {
        case "unusable key store" ->
            settings
                + "schema.registry.ssl.keystore.password="
                + secret()
                + "\nsecurity.protocol=SSL\nssl.keystore.location="
                + given().resolve("key-" + id)
                + "\n";
        case ENVIRONMENT ->
            settings
                + "ssl.keystore.key=${env:%s}\nschema.registry.ssl.key.password=${env:%s}\n"
                    .formatted(VARIABLE, VARIABLE);
        case "invalid login module" ->
            settings + "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n";
        default -> settings;
      };
    }
  }

  private String webhooks(Path secretFile, String how) {
    String token = secret();
    String hook =
        """
        webhooks:
          - name: hook-of-a-test
            url: http://127.0.0.1:1/services/%s?key=%s
            secret_file: %s
        """
            .formatted(token, secret(), secretFile);
    return how.equals("wrong configuration")
        ? hook + "partitions: http://me:" + secret() + "@host\n"
        : hook;
  }

  private String webhooksOnly() throws IOException {
    Path secret = Files.writeString(given().resolve("serve-hook"), webhookSecret());
    return Files.writeString(given().resolve("serve.yaml"), webhooks(secret, "")).toString();
  }

  /** A registry that rejects all requests, and says whose and what they were. */
  private static HttpServer rejectingRegistry() throws IOException {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            byte[] reply =
                "{\"error_code\":401,\"message\":\"no rights for %s of Authorization: %s\"}"
                    .formatted(
                        exchange.getRequestURI(),
                        exchange.getRequestHeaders().getFirst("Authorization"))
                    .getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(401, reply.length);
            exchange.getResponseBody().write(reply);
          }
        });
    server.start();
    return server;
  }

  /** All commands that are given addresses or settings, by name, the parents last. */
  private static void collect(CommandLine line, Map<String, CommandSpec> commands) {
    line.getSubcommands().values().forEach(command -> collect(command, commands));
    CommandSpec spec = line.getCommandSpec();
    if (spec.optionsMap().keySet().stream().anyMatch(LEADING::contains)) {
      commands.put(spec.qualifiedName().replaceFirst("^\\S+ ", ""), spec);
    }
  }

  private Process start(String... line) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx1g",
                "-XX:TieredStopAtLevel=1", // a process that lives for seconds
                "-Dfisherstreams.log=DEBUG",
                "-cp",
                System.getProperty("java.class.path"),
                "io.fisherstreams.cli.Main"));
    command.addAll(List.of(line));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put(VARIABLE, secret());
    return builder
        .redirectErrorStream(true)
        .redirectOutput(directory.resolve(line[0] + ".log").toFile())
        .start();
  }

  private static String file(String name) {
    return CASE.resolve(name).toString();
  }

  private Path given() {
    return directory.resolve("given");
  }

  private String log(String command) throws IOException {
    return Files.readString(directory.resolve(command + ".log"), StandardCharsets.ISO_8859_1);
  }

  private String text() {
    return said.toString(StandardCharsets.UTF_8);
  }

  /** Its base64 begins as all secrets do. */
  private String webhookSecret() {
    return "whsec_" + (secret() + "A".repeat(40)).substring(0, 40);
  }

  private String secret() {
    return MARK + number.incrementAndGet() + "xW";
  }

  private void assertNoSecrets() throws IOException {
    assertShowsNone("what the commands said", text());
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file :
          files.filter(Files::isRegularFile).filter(f -> !f.startsWith(given())).toList()) {
        assertShowsNone(file.toString(), Files.readString(file, StandardCharsets.ISO_8859_1));
      }
    }
  }

  private static void assertShowsNone(String where, String text) {
    if (text.contains(MARK) || text.contains(ENCODED)) {
      assertThat(text.lines().filter(line -> line.contains(MARK) || line.contains(ENCODED)))
          .as("secrets in %s", where)
          .isEmpty();
    }
  }
}
