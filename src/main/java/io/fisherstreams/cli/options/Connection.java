package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.ServeFile;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * The pool and the Kafka cluster that a command works on: from {@code --config}, overridden by
 * single options.
 */
public final class Connection {
  /** Where {@code serve} keeps a pool, and where commands look for one, by default. */
  public static final Path LOCAL_DIRECTORY = Path.of("fisher-streams-pool");

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

  @Option(
      names = "--local",
      paramLabel = "DIR",
      description =
          "The pool that serve runs in this directory. Default, when no brokers are named:"
              + " fisher-streams-pool.")
  private Path local;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  private ServiceConfig loaded;
  private ServeFile served;

  /** The configuration file, or its defaults. */
  public ServiceConfig config() {
    if (loaded == null) {
      loaded = config == null ? ServiceConfig.defaults() : ServiceConfig.read(config);
    }
    return loaded;
  }

  /** Whether the user named brokers, or the directory of a served pool. */
  public boolean isGiven() {
    return local != null || namesBrokers();
  }

  private boolean namesBrokers() {
    return bootstrapServers != null || config().bootstrapServers() != null;
  }

  /** The pool that this machine serves, unless the user named brokers. */
  private Optional<ServeFile> served() {
    if (namesBrokers()) {
      if (local != null) {
        throw new ParameterException(
            spec.commandLine(),
            "--local names a pool of this machine, and "
                + (bootstrapServers != null ? "--bootstrap-servers" : config.toString())
                + " other brokers; give one of them");
      }
      return Optional.empty();
    }
    if (served == null) {
      Path directory = local != null ? local : LOCAL_DIRECTORY;
      served =
          ServeFile.find(directory)
              .orElseThrow(
                  () ->
                      new InvalidInput(
                          "no pool is served in "
                              + directory
                              + "; start one with: fisher-streams serve"
                              + (local == null ? "" : " " + directory)
                              + (local == null
                                  ? ", or name a cluster with --bootstrap-servers or --config"
                                  : "")));
      if (!served.isServed()) {
        throw new InvalidInput(
            "the pool in "
                + directory
                + " is not running any more; start it again with: fisher-streams serve"
                + (local == null ? "" : " " + directory));
      }
    }
    return Optional.of(served);
  }

  /** The brokers and client settings; rejects a command line without brokers. */
  public KafkaSettings kafka() {
    return served()
        .map(pool -> new KafkaSettings(pool.bootstrapServers(), clientSettings()))
        .orElseGet(
            () ->
                new KafkaSettings(
                    bootstrapServers != null ? bootstrapServers : config().bootstrapServers(),
                    clientSettings()));
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
    if (pool != null) {
      return topics(pool);
    }
    return topics(
        config != null ? config().pool() : served().map(ServeFile::pool).orElse(config().pool()));
  }

  /** The topics of another pool on the same cluster. */
  public PoolTopics topics(String poolName) {
    String url =
        served()
            .map(served -> served.schemaRegistry().toString())
            .orElseGet(
                () -> required(schemaRegistry, config().schemaRegistry(), "--schema-registry"));
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
