package io.fisherstreams.local;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.JsonFault;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;

/**
 * Schemas by id and by subject, with Confluent's rules of compatibility. Ids count from 1 and are
 * never reused; a schema has one id under all its subjects. A store with a file writes every change
 * to it before the call returns. Thread-safe.
 */
final class SchemaStore {
  /**
   * One schema of a subject.
   *
   * @param version from 1
   */
  record Registered(String subject, int version, int id, String schema) {}

  /** A request that fails, with the registry's error code (HTTP status first). */
  static final class RegistryError extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private final int code;

    RegistryError(int code, String message) {
      super(message);
      this.code = code;
    }

    int code() {
      return code;
    }
  }

  /** The content of the file; schemas[i] has id i + 1. */
  record State(
      Compatibility compatibility, List<String> schemas, Map<String, SubjectState> subjects) {
    State {
      schemas = new ArrayList<>(schemas == null ? List.of() : schemas);
      subjects = new TreeMap<>(subjects == null ? Map.of() : subjects);
    }
  }

  /** Ids of a subject's versions, version 1 first; no compatibility of its own when null. */
  record SubjectState(Compatibility compatibility, List<Integer> ids) {
    SubjectState {
      ids = List.copyOf(ids);
    }
  }

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final SubjectState NO_SUBJECT = new SubjectState(null, List.of());

  private final Path file;
  private State state;

  private SchemaStore(Path file, State state) {
    this.file = file;
    this.state = state;
  }

  /** An empty store without a file. */
  static SchemaStore inMemory() {
    return new SchemaStore(null, empty());
  }

  /**
   * The store in a file, or an empty one when the file does not exist.
   *
   * @throws InvalidInput when the file has other content
   */
  static SchemaStore open(Path file) {
    try {
      if (!Files.exists(file)) {
        Files.createDirectories(file.toAbsolutePath().getParent());
        return new SchemaStore(file, empty());
      }
      return new SchemaStore(file, JSON.readValue(file.toFile(), State.class));
    } catch (JsonProcessingException e) {
      throw new InvalidInput(
          file + " is not an embedded schema registry's file: " + JsonFault.reason(e), e);
    } catch (IOException e) {
      throw new InvalidInput("cannot use the schema registry's file " + file + ": " + e, e);
    }
  }

  private static State empty() {
    return new State(Compatibility.BACKWARD, List.of(), Map.of());
  }

  /** The id of the schema, which becomes the subject's newest version unless it has it already. */
  synchronized int register(String subject, String schemaText) {
    Schema schema = parse(schemaText);
    Optional<Registered> known = find(subject, schema);
    if (known.isPresent()) {
      return known.get().id();
    }
    Compatibility rule = effectiveCompatibility(subject);
    List<String> reasons =
        incompatibilities(schema, rule, compared(versionsOf(subject), rule.isTransitive()));
    if (!reasons.isEmpty()) {
      throw new RegistryError(
          409,
          "Schema being registered is incompatible with an earlier schema for subject \""
              + subject
              + "\", details: "
              + reasons);
    }
    State next = new State(state.compatibility(), state.schemas(), state.subjects());
    int id = next.schemas().indexOf(schema.toString()) + 1;
    if (id == 0) {
      next.schemas().add(schema.toString());
      id = next.schemas().size();
    }
    SubjectState before = next.subjects().getOrDefault(subject, NO_SUBJECT);
    List<Integer> ids = new ArrayList<>(before.ids());
    ids.add(id);
    next.subjects().put(subject, new SubjectState(before.compatibility(), ids));
    replace(next);
    return id;
  }

  /** The version of a subject that has this schema. */
  synchronized Registered lookup(String subject, String schemaText) {
    requireSubject(subject);
    return find(subject, parse(schemaText))
        .orElseThrow(() -> new RegistryError(40403, "Schema not found"));
  }

  /** All subjects that have a schema. */
  synchronized List<String> subjects() {
    return state.subjects().keySet().stream().filter(s -> !versionsOf(s).isEmpty()).toList();
  }

  /** All versions of a subject, the oldest first; never empty. */
  synchronized List<Registered> versions(String subject) {
    requireSubject(subject);
    return versionsOf(subject);
  }

  /**
   * Deletes a subject with its rule for good. Its schemas keep their ids.
   *
   * @return the numbers of its versions
   */
  synchronized List<Integer> delete(String subject) {
    List<Integer> versions = versions(subject).stream().map(Registered::version).toList();
    State next = new State(state.compatibility(), state.schemas(), state.subjects());
    next.subjects().remove(subject);
    replace(next);
    return versions;
  }

  /** One version of a subject, given as a number or {@code latest}. */
  synchronized Registered version(String subject, String version) {
    List<Registered> versions = versions(subject);
    if (version.equals("latest") || version.equals("-1")) {
      return versions.get(versions.size() - 1);
    }
    int number;
    try {
      number = Integer.parseInt(version);
    } catch (NumberFormatException e) {
      number = 0;
    }
    if (number < 1) {
      throw new RegistryError(
          42202,
          "The specified version '"
              + version
              + "' is not a valid version id. Allowed values are between [1, 2^31-1] and the"
              + " string \"latest\"");
    }
    if (number > versions.size()) {
      throw new RegistryError(40402, "Version " + version + " not found.");
    }
    return versions.get(number - 1);
  }

  /** The schema of an id, as JSON. */
  synchronized String schema(int id) {
    if (id < 1 || id > state.schemas().size()) {
      throw new RegistryError(40403, "Schema " + id + " not found");
    }
    return state.schemas().get(id - 1);
  }

  /** The subjects and versions that use an id. */
  synchronized List<Registered> uses(int id) {
    schema(id);
    return state.subjects().keySet().stream()
        .flatMap(subject -> versionsOf(subject).stream())
        .filter(registered -> registered.id() == id)
        .toList();
  }

  /** The global rule, for subjects without a rule of their own. */
  synchronized Compatibility compatibility() {
    return state.compatibility();
  }

  /** The subject's own rule; empty when the global one applies. */
  synchronized Optional<Compatibility> compatibility(String subject) {
    return Optional.ofNullable(state.subjects().getOrDefault(subject, NO_SUBJECT).compatibility());
  }

  synchronized void setCompatibility(Compatibility rule) {
    replace(new State(rule, state.schemas(), state.subjects()));
  }

  synchronized void setCompatibility(String subject, Compatibility rule) {
    State next = new State(state.compatibility(), state.schemas(), state.subjects());
    List<Integer> ids = next.subjects().getOrDefault(subject, NO_SUBJECT).ids();
    next.subjects().put(subject, new SubjectState(rule, ids));
    replace(next);
  }

  /**
   * Why a schema is incompatible with a version of the subject under its rule; empty when it is
   * compatible or the rule is NONE.
   */
  synchronized List<String> incompatibilities(String subject, String version, String schemaText) {
    Schema schema = parse(schemaText);
    return incompatibilities(
        schema, effectiveCompatibility(subject), List.of(version(subject, version)));
  }

  /** Why a schema is incompatible with the versions that registering it would compare it with. */
  synchronized List<String> incompatibilities(String subject, String schemaText) {
    Schema schema = parse(schemaText);
    Compatibility rule = effectiveCompatibility(subject);
    return incompatibilities(schema, rule, compared(versionsOf(subject), rule.isTransitive()));
  }

  private Compatibility effectiveCompatibility(String subject) {
    return compatibility(subject).orElse(state.compatibility());
  }

  private static List<Registered> compared(List<Registered> versions, boolean all) {
    return all || versions.isEmpty()
        ? versions
        : versions.subList(versions.size() - 1, versions.size());
  }

  private static List<String> incompatibilities(
      Schema schema, Compatibility rule, List<Registered> earlier) {
    List<String> reasons = new ArrayList<>();
    for (Registered registered : earlier) {
      reasons.addAll(
          rule.incompatibilities(schema, parse(registered.schema()), registered.version()));
    }
    return reasons;
  }

  private Optional<Registered> find(String subject, Schema schema) {
    String text = schema.toString();
    return versionsOf(subject).stream().filter(v -> v.schema().equals(text)).findFirst();
  }

  private List<Registered> versionsOf(String subject) {
    List<Integer> ids = state.subjects().getOrDefault(subject, NO_SUBJECT).ids();
    List<Registered> versions = new ArrayList<>();
    for (int i = 0; i < ids.size(); i++) {
      versions.add(new Registered(subject, i + 1, ids.get(i), schema(ids.get(i))));
    }
    return versions;
  }

  private void requireSubject(String subject) {
    if (versionsOf(subject).isEmpty()) {
      throw new RegistryError(40401, "Subject '" + subject + "' not found.");
    }
  }

  private static Schema parse(String text) {
    try {
      return new Schema.Parser().parse(text);
    } catch (AvroRuntimeException e) {
      throw new RegistryError(42201, "Invalid schema: " + e.getMessage());
    }
  }

  private void replace(State next) {
    if (file != null) {
      Path written = file.resolveSibling(file.getFileName() + ".new");
      try {
        JSON.writerWithDefaultPrettyPrinter().writeValue(written.toFile(), next);
        Files.move(
            written, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (IOException e) {
        throw new UncheckedIOException("cannot write " + file, e);
      }
    }
    state = next;
  }
}
