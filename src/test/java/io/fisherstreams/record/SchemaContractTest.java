package io.fisherstreams.record;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.SchemaCompatibilityType;
import org.apache.avro.SchemaCompatibility.SchemaPairCompatibility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The schemas that other programs read and write. Every version that was ever released lies in
 * {@code schemas-accepted/NAME/N.avsc}; a changed schema is added there as the next one, once it
 * reads what all of them wrote and they read what it writes (FULL_TRANSITIVE).
 */
class SchemaContractTest {
  private static final Path CURRENT = Path.of("schemas");
  private static final Path ACCEPTED = Path.of("src/test/resources/schemas-accepted");

  static Stream<String> names() throws IOException {
    try (Stream<Path> files = Files.list(CURRENT)) {
      return files
          .map(file -> file.getFileName().toString().replace(".avsc", ""))
          .sorted()
          .toList()
          .stream();
    }
  }

  private static List<Path> accepted(String name) throws IOException {
    try (Stream<Path> versions = Files.list(ACCEPTED.resolve(name))) {
      return versions
          .sorted(
              Comparator.comparing(
                  file -> Integer.valueOf(file.getFileName().toString().replace(".avsc", ""))))
          .toList();
    }
  }

  /** A schema with the types that it shares with others, of the same age, resolved. */
  private static Schema resolve(Path folder, String name, Path file) throws IOException {
    Schema.Parser parser = new Schema.Parser();
    for (String other : List.of("ModelManifest", "MergePlan")) {
      if (!name.equals(other) && !name.equals("ModelManifest")) {
        Path shared =
            folder.equals(CURRENT)
                ? CURRENT.resolve(other + ".avsc")
                : ACCEPTED.resolve(other).resolve(file.getFileName());
        if (Files.exists(shared)) {
          parser.parse(shared.toFile());
        } else {
          List<Path> versions = accepted(other);
          parser.parse(versions.get(versions.size() - 1).toFile());
        }
      }
    }
    return parser.parse(file.toFile());
  }

  private static Schema current(String name) throws IOException {
    return resolve(CURRENT, name, CURRENT.resolve(name + ".avsc"));
  }

  @ParameterizedTest
  @MethodSource("names")
  void readsAndIsReadByEveryAcceptedVersion(String name) throws IOException {
    Schema current = current(name);
    for (Path file : accepted(name)) {
      Schema earlier = resolve(ACCEPTED, name, file);
      assertReads(current, earlier, file);
      assertReads(earlier, current, file);
    }
  }

  private static void assertReads(Schema reader, Schema writer, Path file) {
    SchemaPairCompatibility result =
        SchemaCompatibility.checkReaderWriterCompatibility(reader, writer);
    assertThat(result.getType())
        .as("%s: %s", file, result.getResult().getIncompatibilities())
        .isEqualTo(SchemaCompatibilityType.COMPATIBLE);
  }

  @ParameterizedTest
  @MethodSource("names")
  void theNewestAcceptedVersionIsTheSchema(String name) throws IOException {
    List<Path> versions = accepted(name);
    Path newest = versions.get(versions.size() - 1);
    assertThat(current(name).toString(true))
        .as("%s has changed: add it as %s/%d.avsc", name, name, versions.size() + 1)
        .isEqualTo(resolve(ACCEPTED, name, newest).toString(true));
  }

  @ParameterizedTest
  @MethodSource("names")
  void everyRecordFieldAndEnumSaysWhatItMeans(String name) throws IOException {
    List<String> silent = new ArrayList<>();
    check(current(name), silent, new HashSet<>());
    assertThat(silent).isEmpty();
  }

  private static void check(Schema schema, List<String> silent, Set<String> seen) {
    switch (schema.getType()) {
      case RECORD -> {
        if (seen.add(schema.getFullName())) {
          say(schema.getFullName(), schema.getDoc(), silent);
          for (Schema.Field field : schema.getFields()) {
            say(schema.getFullName() + "." + field.name(), field.doc(), silent);
            check(field.schema(), silent, seen);
          }
        }
      }
      case ENUM -> {
        say(schema.getFullName(), schema.getDoc(), silent);
        assertThat(schema.getEnumDefault())
            .as("%s: what a reader takes for a symbol of a later version", schema.getFullName())
            .isNotNull();
      }
      case ARRAY -> check(schema.getElementType(), silent, seen);
      case MAP -> check(schema.getValueType(), silent, seen);
      case UNION -> schema.getTypes().forEach(type -> check(type, silent, seen));
      default -> {
        // a primitive's meaning is its field's
      }
    }
  }

  private static void say(String name, String doc, List<String> silent) {
    if (doc == null || doc.isBlank()) {
      silent.add(name);
    }
  }

  @Test
  void aRemovedOrRetypedFieldWouldBeNoticed() throws IOException {
    Schema shard = current("CheckpointShard");
    List<Schema.Field> fields = new ArrayList<>();
    for (Schema.Field field : shard.getFields()) {
      Schema type =
          field.name().equals("shard") ? Schema.create(Schema.Type.STRING) : field.schema();
      fields.add(new Schema.Field(field.name(), type, field.doc()));
    }
    Schema retyped =
        Schema.createRecord(shard.getName(), shard.getDoc(), shard.getNamespace(), false, fields);
    assertThat(SchemaCompatibility.checkReaderWriterCompatibility(shard, retyped).getType())
        .isEqualTo(SchemaCompatibilityType.INCOMPATIBLE);
    Schema shorter =
        Schema.createRecord(
            shard.getName(),
            shard.getDoc(),
            shard.getNamespace(),
            false,
            fields.subList(0, 3).stream()
                .map(f -> new Schema.Field(f.name(), f.schema(), f.doc()))
                .toList());
    assertThat(SchemaCompatibility.checkReaderWriterCompatibility(shard, shorter).getType())
        .isEqualTo(SchemaCompatibilityType.INCOMPATIBLE);
  }
}
