package io.fisherstreams.record;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.SchemaCompatibilityType;
import org.apache.avro.specific.SpecificData;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * The public contract: today's schemas against every published form of them, in {@code
 * src/test/resources/published-schemas}. A release adds its schemas there as {@code
 * Name-version.avsc}; none is ever changed.
 */
class SchemaContractTest {
  private static final Path PUBLISHED = Path.of("src/test/resources/published-schemas");
  private static final Path SCHEMAS = Path.of("schemas");

  @TestFactory
  Stream<DynamicTest> readsAndIsReadByEveryPublishedForm() throws IOException {
    return files(PUBLISHED)
        .map(
            file ->
                DynamicTest.dynamicTest(
                    file.getFileName().toString(),
                    () -> {
                      Schema published = new Schema.Parser().parse(Files.readString(file));
                      Schema current = current(published.getFullName());
                      assertThat(problems(current, published)).as("reads old records").isEmpty();
                      assertThat(problems(published, current)).as("old readers read it").isEmpty();
                    }));
  }

  @TestFactory
  Stream<DynamicTest> everyRecordFieldAndEnumerationIsDescribed() throws IOException {
    return files(SCHEMAS)
        .map(file -> file.getFileName().toString().replace(".avsc", ""))
        .map(
            name ->
                DynamicTest.dynamicTest(
                    name,
                    () -> {
                      List<String> missing = new ArrayList<>();
                      findUndescribed(
                          current("io.fisherstreams.record." + name), missing, new HashSet<>());
                      assertThat(missing).isEmpty();
                    }));
  }

  private static Stream<Path> files(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(f -> f.toString().endsWith(".avsc")).sorted().toList().stream();
    }
  }

  private static Schema current(String name) throws ClassNotFoundException {
    return SpecificData.get().getSchema(Class.forName(name));
  }

  private static List<String> problems(Schema reader, Schema writer) {
    var result = SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getResult();
    return result.getCompatibility() == SchemaCompatibilityType.COMPATIBLE
        ? List.of()
        : result.getIncompatibilities().stream().map(Object::toString).toList();
  }

  private static void findUndescribed(Schema schema, List<String> missing, Set<String> seen) {
    switch (schema.getType()) {
      case RECORD -> {
        if (seen.add(schema.getFullName())) {
          note(schema.getDoc(), schema.getFullName(), missing);
          for (Schema.Field field : schema.getFields()) {
            note(field.doc(), schema.getFullName() + "." + field.name(), missing);
            findUndescribed(field.schema(), missing, seen);
          }
        }
      }
      case ENUM -> note(schema.getDoc(), schema.getFullName(), missing);
      case ARRAY -> findUndescribed(schema.getElementType(), missing, seen);
      case MAP -> findUndescribed(schema.getValueType(), missing, seen);
      case UNION -> schema.getTypes().forEach(type -> findUndescribed(type, missing, seen));
      default -> {}
    }
  }

  private static void note(String doc, String name, List<String> missing) {
    if (doc == null || doc.isBlank()) {
      missing.add(name);
    }
  }
}
