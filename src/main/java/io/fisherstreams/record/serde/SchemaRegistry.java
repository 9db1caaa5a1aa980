package io.fisherstreams.record.serde;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.kafka.common.errors.RetriableException;

/** Gives schemas the ids in the wire format. Thread-safe. */
public interface SchemaRegistry {
  /** How long a service repeats calls while the registry cannot be reached. */
  Duration PATIENCE = Duration.ofMinutes(2);

  /** The registry could not be reached. That is no record's fault: a stage tries again. */
  final class Unreachable extends RetriableException {
    private static final long serialVersionUID = 1L;

    Unreachable(String message, Throwable cause) {
      super(message, cause);
    }
  }

  /**
   * The id of a schema under a subject; registers a new schema.
   *
   * @throws io.fisherstreams.InvalidInput when it is incompatible with the subject's earlier
   *     schemas
   */
  int register(String subject, Schema schema);

  /**
   * Deletes a subject with all its versions for good; does nothing when there is none, when this
   * client registers nothing, or when it tried to and never reached the registry.
   *
   * @throws io.fisherstreams.InvalidInput when the registry rejects that or does not answer; it is
   *     asked once
   */
  default void delete(String subject) {}

  /** Asks once whether the registry answers. */
  default boolean answers() {
    return true;
  }

  /**
   * The schema of an id.
   *
   * @throws org.apache.kafka.common.errors.SerializationException when there is none
   */
  Schema byId(int id);

  /**
   * A Confluent-compatible registry; {@code config} holds its client's settings, such as {@code
   * basic.auth.user.info}.
   */
  static SchemaRegistry connect(String url, Map<String, ?> config) {
    return connect(url, config, PATIENCE);
  }

  /** The same, with how long calls are repeated while the registry cannot be reached. */
  static SchemaRegistry connect(String url, Map<String, ?> config, Duration patience) {
    return ConfluentRegistry.connect(url, config, patience);
  }

  /** A registry in this process's memory. */
  static SchemaRegistry inMemory() {
    List<Schema> schemas = new ArrayList<>();
    return new SchemaRegistry() {
      @Override
      public synchronized int register(String subject, Schema schema) {
        if (!schemas.contains(schema)) {
          schemas.add(schema);
        }
        return schemas.indexOf(schema) + 1;
      }

      @Override
      public synchronized Schema byId(int id) {
        if (id < 1 || id > schemas.size()) {
          throw new org.apache.kafka.common.errors.SerializationException(
              "there is no schema of id " + id);
        }
        return schemas.get(id - 1);
      }
    };
  }
}
