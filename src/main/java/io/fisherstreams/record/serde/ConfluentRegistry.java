package io.fisherstreams.record.serde;

import io.fisherstreams.Backoff;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.Secrets;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.apache.avro.Schema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.ParsedSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.avro.AvroSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.SchemaRegistryClient;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.SchemaRegistryClientConfig;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import org.apache.kafka.common.errors.SerializationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Confluent's own client; the only class that names the packages under which Maven Central carries
 * it.
 */
final class ConfluentRegistry implements SchemaRegistry {
  private static final Logger LOG = LoggerFactory.getLogger(ConfluentRegistry.class);
  private static final String AUTO_REGISTER = "auto.register.schemas";
  private static final String COMPATIBILITY = "FULL_TRANSITIVE";
  private static final int NOT_FOUND = 404;
  private static final int BAD_REQUEST = 400;
  private static final int UNPROCESSABLE = 422;
  private static final int SERVER_ERROR = 500;
  private static final int TOO_MANY_REQUESTS = 429;
  private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
  private static final Duration MAX_PAUSE = Duration.ofSeconds(5);
  // A command gives up before that, with one message.
  private static final Duration SAY_AFTER = Duration.ofSeconds(20);

  // The client casts these settings instead of parsing them; a properties file has text only.
  private static final Map<String, Function<String, Object>> NUMBERS =
      Map.of(
          SchemaRegistryClientConfig.PROXY_PORT, Integer::valueOf,
          SchemaRegistryClientConfig.MISSING_CACHE_SIZE_CONFIG, Integer::valueOf,
          SchemaRegistryClientConfig.MISSING_ID_CACHE_TTL_CONFIG, Long::valueOf,
          SchemaRegistryClientConfig.MISSING_VERSION_CACHE_TTL_CONFIG, Long::valueOf,
          SchemaRegistryClientConfig.MISSING_SCHEMA_CACHE_TTL_CONFIG, Long::valueOf);
  // The registry assigns an id before a record carries it, so an unknown id stays unknown: garbage
  // records with such an id cause at most one request in this time.
  private static final Duration UNKNOWN_ID_KEPT = Duration.ofMinutes(1);

  private final String url;
  private final SchemaRegistryClient client;
  private final Duration patience;
  // whether a connection was refused, and whether one was ever made
  private volatile boolean refused;
  private volatile boolean connected;
  private final boolean mayRegister;
  private final Map<Integer, Schema> byId = new ConcurrentHashMap<>();
  private final Set<Integer> failing = ConcurrentHashMap.newKeySet();

  private ConfluentRegistry(
      String url, SchemaRegistryClient client, Duration patience, boolean mayRegister) {
    this.url = url;
    this.client = client;
    this.patience = patience;
    this.mayRegister = mayRegister;
  }

  /** {@code patience} is how long calls are repeated while the registry cannot be reached. */
  static ConfluentRegistry connect(String url, Map<String, ?> config, Duration patience) {
    Map<String, Object> all = new HashMap<>(config);
    all.putIfAbsent(
        SchemaRegistryClientConfig.MISSING_ID_CACHE_TTL_CONFIG, UNKNOWN_ID_KEPT.toSeconds());
    NUMBERS.forEach(
        (name, parse) -> all.computeIfPresent(name, (n, value) -> parse(n, value, parse)));
    if (hasUser(url)) {
      // as Confluent's own serializers do
      all.putIfAbsent(SchemaRegistryClientConfig.BASIC_AUTH_CREDENTIALS_SOURCE, "URL");
    }
    boolean mayRegister =
        !"false".equalsIgnoreCase(String.valueOf(all.getOrDefault(AUTO_REGISTER, "true")));
    return new ConfluentRegistry(
        Secrets.withoutUser(url),
        new CachedSchemaRegistryClient(List.of(url.split(",")), 1000, all),
        patience,
        mayRegister);
  }

  /**
   * Whether one of the URLs has a user; hides the password.
   *
   * @throws InvalidInput when one is not valid, without quoting it: it may have a password
   */
  private static boolean hasUser(String urls) {
    boolean found = false;
    for (String one : urls.split(",")) {
      try {
        URI url = new URI(one.trim());
        if (url.getHost() == null || !String.valueOf(url.getScheme()).matches("(?i)https?")) {
          throw invalid(one);
        }
        Secrets.hideUserOf(url);
        found |= url.getUserInfo() != null;
      } catch (URISyntaxException e) {
        throw invalid(one);
      }
    }
    return found;
  }

  private static InvalidInput invalid(String url) {
    return new InvalidInput(
        "the schema registry's URL%s is not valid, expected http(s)://HOST:PORT or http(s)://USER:PASSWORD@HOST:PORT, with special characters percent-encoded"
            .formatted(url.indexOf('@') >= 0 ? "" : " '" + url.trim() + "'"));
  }

  private static Object parse(String name, Object value, Function<String, Object> parse) {
    try {
      return parse.apply(value.toString().trim());
    } catch (NumberFormatException e) {
      throw new InvalidInput(name + " is " + value + ", expected a whole number", e);
    }
  }

  private interface Call<T> {
    T run() throws IOException, RestClientException;
  }

  /** Repeats a call while the registry cannot be reached or fails on its side. */
  private <T> T retrying(Call<T> call) throws RestClientException {
    long sayAfter = System.nanoTime() + SAY_AFTER.toNanos();
    boolean said = false;
    long giveUp = System.nanoTime() + patience.toNanos();
    Backoff backoff = new Backoff(FIRST_PAUSE, MAX_PAUSE);
    while (true) {
      Exception failure;
      try {
        T result = call.run();
        connected = true;
        if (said) {
          LOG.info("schema registry {} is back again", url);
        }
        return result;
      } catch (RestClientException e) {
        connected = true;
        if (e.getStatus() < SERVER_ERROR && e.getStatus() != TOO_MANY_REQUESTS) {
          throw e;
        }
        failure = e;
      } catch (IOException e) {
        failure = e;
      }
      if (failure instanceof ConnectException && !connected) {
        refused = true;
      } else {
        connected = true;
      }
      if (System.nanoTime() - giveUp >= 0) {
        throw new Unreachable("schema registry " + url + " cannot be reached", failure);
      }
      if (System.nanoTime() - sayAfter >= 0 && !said) {
        said = true;
        LOG.warn(
            "schema registry {} cannot be reached ({}); trying until it is back",
            url,
            Secrets.mask(String.valueOf(failure.getMessage())));
      }
      try {
        Thread.sleep(backoff.next().toMillis());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new Unreachable("interrupted while waiting for schema registry " + url, e);
      }
    }
  }

  @Override
  public int register(String subject, Schema schema) {
    AvroSchema parsed = new AvroSchema(schema.toString());
    try {
      return retrying(
          () -> {
            // a known schema needs neither permission to write nor the subject's settings
            try {
              return client.getId(subject, parsed);
            } catch (RestClientException e) {
              if (e.getStatus() != NOT_FOUND) {
                throw e;
              }
            }
            if (!mayRegister) {
              throw new InvalidInput(
                  "schema registry %s does not have the schema %s under subject %s, and %s=false; register schemas/%s.avsc there first"
                      .formatted(
                          url, schema.getFullName(), subject, AUTO_REGISTER, schema.getName()));
            }
            client.updateCompatibility(subject, COMPATIBILITY);
            return client.register(subject, parsed);
          });
    } catch (RestClientException e) {
      throw new InvalidInput(
          "schema registry "
              + url
              + " rejects the schema "
              + schema.getFullName()
              + " under subject "
              + subject
              + ": "
              + Secrets.mask(e.getMessage()),
          e);
    }
  }

  @Override
  public void delete(String subject) {
    if (!mayRegister || (refused && !connected)) {
      return; // this client cannot have registered it
    }
    try {
      client.deleteSubject(subject);
      client.deleteSubject(subject, true); // a registry lists what is deleted once as deleted
    } catch (RestClientException e) {
      if (e.getStatus() != NOT_FOUND) {
        throw notDeleted(subject, e);
      }
    } catch (IOException e) {
      throw notDeleted(subject, e);
    }
  }

  private InvalidInput notDeleted(String subject, Exception cause) {
    return new InvalidInput(
        "subject "
            + subject
            + " of schema registry "
            + url
            + " is left: "
            + Secrets.mask(String.valueOf(cause.getMessage())),
        cause);
  }

  @Override
  public Schema byId(int id) {
    Schema known = byId.get(id);
    if (known != null) {
      return known;
    }
    // Until then, a registry that fails may come back.
    long blameAfter = System.nanoTime() + (failing.contains(id) ? 0 : patience.toNanos() / 4);
    try {
      String canonical = retrying(() -> schema(id, blameAfter)).canonicalString();
      Schema schema = parse(id, canonical);
      byId.put(id, schema);
      return schema;
    } catch (RestClientException e) {
      if (e.getStatus() == NOT_FOUND) {
        throw new SerializationException("schema registry " + url + " has no schema of id " + id);
      }
      if (e.getStatus() == BAD_REQUEST || e.getStatus() == UNPROCESSABLE) {
        throw new SerializationException(
            "schema registry "
                + url
                + " rejects the schema id "
                + id
                + ": "
                + Secrets.mask(e.getMessage()));
      }
      // Missing rights are not the record's fault: the stage must stop, not dead-letter it.
      throw new InvalidInput(
          "schema registry "
              + url
              + " does not give out schema "
              + id
              + ": "
              + Secrets.mask(e.getMessage()),
          e);
    }
  }

  private static Schema parse(int id, String text) {
    if (text.length() > WriterSchema.MAX_LENGTH) {
      throw new SerializationException(
          String.format(
              Locale.ROOT,
              "schema %d has %d characters, at most %d are accepted",
              id,
              text.length(),
              WriterSchema.MAX_LENGTH));
    }
    try {
      return new Schema.Parser().parse(text);
    } catch (RuntimeException | StackOverflowError e) {
      throw new SerializationException("schema " + id + " is no valid Avro schema", e);
    }
  }

  @Override
  public String toString() {
    return "the schema registry at " + url;
  }

  /** Fetches a schema; one that the client cannot read is not a registry that is away. */
  private ParsedSchema schema(int id, long blameAfter) throws IOException, RestClientException {
    try {
      return client.getSchemaById(id);
    } catch (IOException e) {
      if (String.valueOf(e.getMessage()).startsWith("Invalid schema")) {
        throw new SerializationException("schema " + id + " is no valid Avro schema");
      }
      throw e;
    } catch (RestClientException e) {
      if (e.getStatus() >= SERVER_ERROR && System.nanoTime() - blameAfter >= 0 && answers()) {
        failing.add(id);
        throw new SerializationException(
            "schema registry "
                + url
                + " fails for schema id "
                + id
                + ": "
                + Secrets.mask(e.getMessage()));
      }
      throw e;
    }
  }

  /** Whether the registry answers another request, be it that the user may not make it. */
  @Override
  public boolean answers() {
    try {
      client.getMode();
      return true;
    } catch (RestClientException e) {
      return e.getStatus() < SERVER_ERROR && e.getStatus() != TOO_MANY_REQUESTS;
    } catch (IOException e) {
      return false;
    }
  }
}
