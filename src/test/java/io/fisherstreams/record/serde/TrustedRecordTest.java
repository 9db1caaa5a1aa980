package io.fisherstreams.record.serde;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificRecord;
import org.junit.jupiter.api.Test;

class TrustedRecordTest {
  /** Another process, in which nothing has used a serde: fills in the defaults of all records. */
  static final class Defaults {
    private Defaults() {}

    public static void main(String[] classes) throws ClassNotFoundException {
      int defaults = 0;
      for (String name : classes) {
        Class<?> type = Class.forName(name);
        SpecificData data = SpecificData.getForClass(type);
        for (Schema.Field field : data.getSchema(type).getFields()) {
          if (field.hasDefaultValue()) {
            data.getDefaultValue(field);
            defaults++;
          }
        }
      }
      System.out.println(defaults > 0 ? "filled in" : "no record has a default");
    }
  }

  @Test
  void everyRecordCanBeBuiltInAProcessThatHasNotUsedASerde() throws Exception {
    List<String> records =
        new ClassFileImporter()
            .importPath(Path.of("target/classes/io/fisherstreams")).stream()
                .filter(type -> type.isAssignableTo(SpecificRecord.class))
                .filter(type -> !type.isAssignableFrom(TrustedRecord.class))
                .map(JavaClass::getName)
                .sorted()
                .toList();
    assertThat(records).hasSizeGreaterThan(20);
    List<String> command =
        new ArrayList<>(
            List.of(
                ProcessHandle.current().info().command().orElseThrow(),
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                Defaults.class.getName()));
    command.addAll(records);
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    assertThat(new String(process.getInputStream().readAllBytes(), UTF_8).strip())
        .endsWith("filled in")
        .doesNotContain("Forbidden");
    assertThat(process.waitFor()).isZero();
  }
}
