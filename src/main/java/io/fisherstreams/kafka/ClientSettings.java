package io.fisherstreams.kafka;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.Secrets;
import io.fisherstreams.files.TextFile;
import io.fisherstreams.record.PoolTopics;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;

/**
 * The user's settings for all clients: Kafka's and the schema registry's. A file names them, as for
 * Kafka's own tools. Values that a config provider gives are put in here, for every client alike.
 *
 * @param values by name, without addresses and config providers
 * @param bootstrapServers brokers that the file names
 * @param schemaRegistry URL of the registry that the file names
 */
public record ClientSettings(
    Map<String, String> values,
    Optional<String> bootstrapServers,
    Optional<String> schemaRegistry) {
  /** No settings. */
  public static final ClientSettings NONE =
      new ClientSettings(Map.of(), Optional.empty(), Optional.empty());

  /**
   * Settings that belong to FisherStreams, with the one value that a file may repeat; without a
   * value, a file may not name them.
   */
  public static final SortedMap<String, Optional<String>> OWNED = owned();

  private static final List<String> PREFIXES =
      List.of(
          "main.consumer.",
          "restore.consumer.",
          "global.consumer.",
          "consumer.",
          "producer.",
          "admin.");
  private static final String BOOTSTRAP = "bootstrap.servers";
  private static final String REGISTRY = "schema.registry.url";
  private static final Pattern REFERENCE = Pattern.compile("\\$\\{([A-Za-z0-9_]+):[^}]*}");

  /** Keeps a copy. */
  public ClientSettings {
    values = Collections.unmodifiableMap(new TreeMap<>(values));
  }

  private static SortedMap<String, Optional<String>> owned() {
    SortedMap<String, Optional<String>> owned = new TreeMap<>();
    Map.of(
            "acks", "all",
            "auto.offset.reset", "earliest",
            "enable.auto.commit", "false",
            "enable.idempotence", "true",
            "isolation.level", "read_committed",
            "processing.guarantee", "exactly_once_v2",
            "retries", Integer.toString(Integer.MAX_VALUE))
        .forEach((name, value) -> owned.put(name, Optional.of(value)));
    for (String name :
        List.of(
            "application.id",
            "application.server",
            "buffered.records.per.partition",
            "default.deserialization.exception.handler",
            "default.key.serde",
            "default.timestamp.extractor",
            "default.value.serde",
            "deserialization.exception.handler",
            "ensure.explicit.internal.resource.naming",
            "errors.dead.letter.queue.topic.name",
            "group.id",
            "group.instance.id",
            "group.protocol",
            "group.remote.assignor",
            "key.deserializer",
            "key.serializer",
            "max.in.flight.requests.per.connection",
            "num.standby.replicas",
            "num.stream.threads",
            "partition.assignment.strategy",
            "partitioner.class",
            "poll.ms",
            "processing.exception.handler",
            "production.exception.handler",
            "replication.factor",
            "rocksdb.config.setter",
            "state.dir",
            "statestore.cache.max.bytes",
            "transactional.id",
            "value.deserializer",
            "value.serializer")) {
      owned.put(name, Optional.empty());
    }
    return Collections.unmodifiableSortedMap(owned);
  }

  /**
   * Reads a properties file.
   *
   * @throws InvalidInput when it cannot be read, names a setting that belongs to FisherStreams, a
   *     class that is not on the class path, or a value that no config provider gives
   */
  public static ClientSettings read(Path file) {
    Properties properties = new Properties();
    try {
      properties.load(new StringReader(TextFile.read(file)));
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    } catch (IllegalArgumentException e) {
      throw new InvalidInput(file + " is no properties file: " + e.getMessage(), e);
    }
    Map<String, String> values = new TreeMap<>();
    properties.stringPropertyNames().forEach(n -> values.put(n, properties.getProperty(n).trim()));
    values.forEach(Secrets::hideIfSecret); // resolving may fail
    Map<String, String> resolved = resolve(file, values);
    resolved.forEach(Secrets::hideIfSecret);
    resolved.forEach((name, value) -> check(file, name, value));
    Optional<String> servers = Optional.ofNullable(resolved.remove(BOOTSTRAP));
    Optional<String> registry = Optional.ofNullable(resolved.remove(REGISTRY));
    return new ClientSettings(resolved, servers, registry);
  }

  /** Puts the values in that config providers give, and takes the providers out. */
  private static Map<String, String> resolve(Path file, Map<String, String> values) {
    if (!values.containsKey("config.providers")) {
      return values;
    }
    Map<String, String> resolved = new TreeMap<>();
    try {
      new AbstractConfig(new ConfigDef(), values, false)
          .originals()
          .forEach((name, value) -> resolved.put(name, value.toString()));
    } catch (ConfigException | IllegalArgumentException e) {
      throw new InvalidInput(file + ": config.providers: " + e.getMessage(), e);
    }
    List<String> providers = List.of(values.get("config.providers").split("\\s*,\\s*"));
    resolved.keySet().removeIf(name -> name.startsWith("config.providers"));
    resolved.forEach(
        (name, value) -> {
          Matcher reference = REFERENCE.matcher(value);
          if (reference.find() && providers.contains(reference.group(1))) {
            throw new InvalidInput(
                "%s: %s: config provider '%s' has no value for %s"
                    .formatted(file, name, reference.group(1), reference.group()));
          }
        });
    return resolved;
  }

  private static void check(Path file, String name, String value) {
    String plain = name;
    for (String prefix : PREFIXES) {
      if (plain.startsWith(prefix)) {
        plain = plain.substring(prefix.length());
        break;
      }
    }
    if (plain.equals(BOOTSTRAP) && !plain.equals(name)) {
      throw new InvalidInput(
          "%s: %s: all clients use the same brokers; set %s".formatted(file, name, BOOTSTRAP));
    }
    Optional<String> own = OWNED.get(plain);
    if (own != null
        && !own.filter(value::equalsIgnoreCase).isPresent()
        && !isAllAcks(plain, value)) {
      throw new InvalidInput(
          "%s: %s belongs to FisherStreams%s; remove it from the file"
              .formatted(
                  file,
                  name,
                  own.map(is -> ", which sets it to " + is + ", found " + value).orElse("")));
    }
    if (plain.equals("max.request.size")) {
      requireAtLeast(file, name, value, PoolTopics.MAX_MANIFEST_RECORD_BYTES);
    }
    if (plain.equals("interceptor.classes") || plain.equals("metric.reporters")) {
      for (String type : value.split("\\s*,\\s*")) {
        requireClass(file, name, type);
      }
    }
  }

  private static boolean isAllAcks(String name, String value) {
    return name.equals("acks") && value.equals("-1");
  }

  private static void requireAtLeast(Path file, String name, String value, long least) {
    try {
      if (Long.parseLong(value) >= least) {
        return;
      }
    } catch (NumberFormatException e) {
      // told below
    }
    throw new InvalidInput(
        String.format(
            Locale.ROOT,
            "%s: %s is %s, expected at least %d, the largest record",
            file,
            name,
            value,
            least));
  }

  private static void requireClass(Path file, String name, String type) {
    if (!type.isEmpty()) {
      try {
        Class.forName(type, false, ClientSettings.class.getClassLoader());
      } catch (ClassNotFoundException | LinkageError e) {
        throw new InvalidInput(
            "%s: %s: class %s is not on the class path; remove the setting, or put its jar into target/lib"
                .formatted(file, name, type),
            e);
      }
    }
  }
}
