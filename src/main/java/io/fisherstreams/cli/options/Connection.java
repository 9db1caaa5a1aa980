package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.Secrets;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.kafka.ClientSettings;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.MissingRight;
import io.fisherstreams.local.ServeFile;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
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

  private static final Duration ANSWER_WITHIN = Duration.ofSeconds(10);

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
  // A command does not wait long for a registry that is down; a service does.
  private Duration patience = ANSWER_WITHIN;
  private ServeFile served;
  private ClientSettings settings;

  /** The configuration file, or its defaults. */
  public ServiceConfig config() {
    if (loaded == null) {
      loaded = config == null ? ServiceConfig.defaults() : ServiceConfig.read(config);
    }
    return loaded;
  }

  /** For a service, which waits while the schema registry is down. */
  public Connection forService() {
    patience = SchemaRegistry.PATIENCE;
    return this;
  }

  /** Whether the user named brokers, or the directory of a served pool. */
  public boolean isGiven() {
    return local != null || brokers().isPresent();
  }

  /** For a command that makes a pool of its own: rejects the options that it would ignore. */
  public void requireOneShot() {
    if (pool != null) {
      throw new ParameterException(
          spec.commandLine(),
          "--pool is for a pool that is running; a merge makes one of its own and deletes it");
    }
    if (!isGiven()) {
      requireUnused();
    }
  }

  /** For a command without a cluster: rejects the options that only a cluster needs. */
  public void requireUnused() {
    String unused =
        pool != null
            ? "--pool"
            : schemaRegistry != null
                ? "--schema-registry"
                : commandConfig != null ? "--command-config" : null;
    if (unused != null) {
      throw new ParameterException(
          spec.commandLine(), unused + " is for a cluster; also give --bootstrap-servers");
    }
  }

  /** The brokers that the user named: by the option, else in a file. */
  private Optional<String> brokers() {
    return named(
        bootstrapServers, config().bootstrapServers(), clientSettings().bootstrapServers());
  }

  private static Optional<String> named(
      String option, String configured, Optional<String> inSettings) {
    return Optional.ofNullable(option)
        .or(() -> Optional.ofNullable(configured))
        .or(() -> inSettings);
  }

  /** The pool that this machine serves, unless the user named brokers. */
  private Optional<ServeFile> served() {
    if (brokers().isPresent()) {
      if (local != null) {
        throw new ParameterException(
            spec.commandLine(),
            "--local names a pool of this machine, and "
                + (bootstrapServers != null ? "--bootstrap-servers" : "the configuration")
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
    String servers = served().map(ServeFile::bootstrapServers).or(this::brokers).orElseThrow();
    KafkaSettings kafka = new KafkaSettings(servers, clientSettings().values());
    kafka.requireAnswer(ANSWER_WITHIN);
    return kafka;
  }

  private ClientSettings clientSettings() {
    if (settings == null) {
      Path file = commandConfig != null ? commandConfig : config().commandConfig();
      settings = file == null ? ClientSettings.NONE : ClientSettings.read(file);
      requireSame(
          "bootstrap.servers",
          "--bootstrap-servers",
          settings.bootstrapServers(),
          bootstrapServers,
          config().bootstrapServers());
      requireSame(
          "schema.registry.url",
          "--schema-registry",
          settings.schemaRegistry(),
          schemaRegistry,
          config().schemaRegistry());
    }
    return settings;
  }

  /** An option wins over every file; two files must agree. */
  private void requireSame(
      String setting, String option, Optional<String> inFile, String given, String configured) {
    if (inFile.isEmpty()) {
      return;
    }
    if (given != null) {
      if (!given.equals(inFile.get())) {
        spec.commandLine()
            .getErr()
            .println(
                "note: "
                    + option
                    + " "
                    + Secrets.mask(given)
                    + " wins over "
                    + setting
                    + "="
                    + Secrets.mask(inFile.get())
                    + " of the client settings");
      }
    } else if (configured != null && !configured.equals(inFile.get())) {
      throw new InvalidInput(
          "%s names %s, but the client settings have %s=%s; remove one of them"
              .formatted(config, configured, setting, inFile.get()));
    }
  }

  /** As whom and where the command worked, for a message about a missing right. */
  public String client() {
    return "this client is "
        + MissingRight.principal(clientSettings().values())
        + " at "
        + served().map(ServeFile::bootstrapServers).or(this::brokers).orElseThrow();
  }

  /** The options that lead another command to the same cluster, as the user gave them. */
  public String clusterOptions() {
    StringBuilder options = new StringBuilder();
    add(options, "--local", local);
    add(options, "--config", config);
    add(options, "--bootstrap-servers", bootstrapServers);
    add(options, "--schema-registry", schemaRegistry);
    add(options, "--command-config", commandConfig);
    return options.toString();
  }

  private static void add(StringBuilder options, String name, Object value) {
    if (value != null) {
      options.append(' ').append(name).append(' ').append(value);
    }
  }

  /** The topics of the named pool. */
  public PoolTopics topics() {
    return topics(poolName());
  }

  /** The pool's name: by the option, else in the configuration, else of the served pool. */
  public String poolName() {
    if (pool != null) {
      return pool;
    }
    return config != null ? config().pool() : served().map(ServeFile::pool).orElse(config().pool());
  }

  /** The topics of another pool on the same cluster. */
  public PoolTopics topics(String poolName) {
    return new PoolTopics(poolName, registry());
  }

  /** The schema registry, through a client of its own. */
  public SchemaRegistry registry() {
    String url =
        served()
            .map(served -> served.schemaRegistry().toString())
            .or(
                () ->
                    named(
                        schemaRegistry,
                        config().schemaRegistry(),
                        clientSettings().schemaRegistry()))
            .orElseThrow(
                () ->
                    new InvalidInput(
                        "--schema-registry is missing: give it here or in a --config file"));
    return SchemaRegistry.connect(url, clientSettings().values(), patience);
  }
}
