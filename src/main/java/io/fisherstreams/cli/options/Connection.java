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
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import picocli.CommandLine.Option;

/**
 * The pool and the Kafka cluster that a command works on: from {@code --config}, overridden by
 * single options.
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
      description = "The pool's name, which is the prefix of its topics.")
  private String pool;

  @Option(
      names = "--bootstrap-servers",
      paramLabel = "HOST:PORT[,...]",
      description = "Kafka's brokers.")
  private String bootstrapServers;

  @Option(
      names = "--schema-registry",
      paramLabel = "URL",
      description = "The schema registry. Settings of its client are in the --command-config file.")
  private String schemaRegistry;

  @Option(
      names = "--command-config",
      paramLabel = "FILE",
      description =
          "Kafka client settings (TLS, SASL): a properties file as for Kafka's own tools.")
  private Path commandConfig;

  private ServiceConfig loaded;

  /** The configuration file, or its defaults. */
  public ServiceConfig config() {
    if (loaded == null) {
      loaded = config == null ? ServiceConfig.defaults() : ServiceConfig.read(config);
    }
    return loaded;
  }

  /** Whether the user named brokers. */
  public boolean isGiven() {
    return bootstrapServers != null || config().bootstrapServers() != null;
  }

  /** The brokers and client settings; rejects a command line without brokers. */
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
        throw InvalidInput.unreadable(file, e);
      }
      properties.stringPropertyNames().forEach(n -> settings.put(n, properties.getProperty(n)));
    }
    return settings;
  }

  /** The topics of the named pool. */
  public PoolTopics topics() {
    return topics(pool != null ? pool : config().pool());
  }

  /** The topics of another pool on the same cluster. */
  public PoolTopics topics(String poolName) {
    String url = required(schemaRegistry, config().schemaRegistry(), "--schema-registry");
    return new PoolTopics(poolName, SchemaRegistry.connect(url, clientSettings()));
  }

  private static String required(String option, String configured, String name) {
    String value = option != null ? option : configured;
    if (value == null) {
      throw new InvalidInput(name + " is missing: give it here or in a --config file");
    }
    return value;
  }
}
