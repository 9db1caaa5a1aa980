package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import picocli.CommandLine.Option;

/**
 * Which pool on which Kafka a command works on: from {@code --config}, overridden option by option.
 */
public final class Connection {
  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "Configuration of the services (docs/configuration.md).")
  private Path config;

  @Option(
      names = "--pool",
      paramLabel = "NAME",
      description = "The pool, prefix of its topics' names.")
  private String pool;

  @Option(
      names = "--bootstrap-servers",
      paramLabel = "HOST:PORT[,...]",
      description = "Kafka's brokers.")
  private String bootstrapServers;

  @Option(
      names = "--schema-registry",
      paramLabel = "URL",
      description =
          "The schema registry. Its client's settings stand in the --command-config file.")
  private String schemaRegistry;

  @Option(
      names = "--command-config",
      paramLabel = "FILE",
      description =
          "Kafka client settings (TLS, SASL), a properties file as Kafka's own tools take.")
  private Path commandConfig;

  private ServiceConfig loaded;

  /** The configuration file, or its defaults. */
  public ServiceConfig config() {
    if (loaded == null) {
      loaded = config == null ? ServiceConfig.defaults() : ServiceConfig.read(config);
    }
    return loaded;
  }

  /** The options as they were given, for a command that runs another one. */
  public List<String> arguments() {
    Map<String, Object> given = new LinkedHashMap<>();
    given.put("--config", config);
    given.put("--pool", pool);
    given.put("--bootstrap-servers", bootstrapServers);
    given.put("--schema-registry", schemaRegistry);
    given.put("--command-config", commandConfig);
    return given.entrySet().stream()
        .filter(option -> option.getValue() != null)
        .map(option -> option.getKey() + "=" + option.getValue())
        .toList();
  }

  /** Whether brokers were named at all. */
  public boolean isGiven() {
    return bootstrapServers != null || config().bootstrapServers() != null;
  }

  public KafkaSettings kafka() {
    return new KafkaSettings(
        required(bootstrapServers, config().bootstrapServers(), "--bootstrap-servers"),
        clientSettings());
  }

  private Map<String, String> clientSettings() {
    Path file = commandConfig != null ? commandConfig : config().commandConfig();
    Map<String, String> settings = new TreeMap<>();
    if (file != null) {
      Properties properties = new Properties();
      try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
        properties.load(reader);
      } catch (IOException e) {
        throw new InvalidInput("cannot read " + file + ": " + e.getMessage(), e);
      }
      properties.stringPropertyNames().forEach(n -> settings.put(n, properties.getProperty(n)));
    }
    return settings;
  }

  public PoolTopics topics() {
    return topics(pool != null ? pool : config().pool());
  }

  public PoolTopics topics(String poolName) {
    String url = required(schemaRegistry, config().schemaRegistry(), "--schema-registry");
    return new PoolTopics(poolName, SchemaRegistry.connect(url, clientSettings()));
  }

  private static String required(String option, String configured, String name) {
    String value = option != null ? option : configured;
    if (value == null) {
      throw new InvalidInput("name " + name + ", or a --config file that has it");
    }
    return value;
  }
}
