package io.fisherstreams.build;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** THIRD-PARTY.md names what the jar and the distribution carry. */
class ThirdPartyTest {
  private static final Path CLASSES = Path.of("target", "classes");

  /** Written by the execution runtime-list of maven-dependency-plugin. */
  private static final Path LIST = Path.of("target", "runtime-dependencies.txt");

  private static final Pattern RESOLVED = Pattern.compile("(?m)^ +([^: ]+:[^: ]+):jar:");
  private static final Pattern ROW = Pattern.compile("(?m)^\\| `([^:`]+:[^:`]+)` \\| ([^|]+) \\|");

  @Test
  void namesEveryLibraryOfTheDistributionAndNoOther() throws IOException {
    Set<String> resolved = groups(RESOLVED, Files.readString(LIST));
    assertThat(resolved).hasSizeGreaterThan(50);
    assertThat(groups(ROW, section("## In `target/lib`"))).isEqualTo(resolved);
  }

  @Test
  void namesEveryPackageThatTheJarCarriesFromFlink() throws IOException {
    Path carried = CLASSES.resolve("org/apache/flink/avro");
    Set<String> packages;
    try (Stream<Path> files = Files.walk(carried)) {
      packages =
          files
              .filter(file -> file.toString().endsWith(".class"))
              .map(file -> carried.relativize(file).toString())
              .map(file -> file.replaceAll(".*shaded/(org/apache|com|io)/(\\w+)/.*", "$2"))
              .collect(Collectors.toCollection(TreeSet::new));
    }
    assertThat(packages).containsExactly("avro", "commons", "confluent", "fasterxml", "kafka");
    assertThat(section("## In `fisher-streams.jar`"))
        .contains(
            "`org.apache.avro:avro`",
            "`org.apache.commons:commons-compress`",
            "`io.confluent:kafka-schema-registry-client`",
            "`com.fasterxml.jackson.core:jackson-core`",
            "`org.apache.kafka:kafka-clients`");
  }

  @Test
  void theJarCarriesTheLicences() throws IOException {
    for (String file : Set.of("LICENSE", "NOTICE", "THIRD-PARTY.md")) {
      assertThat(CLASSES.resolve("META-INF").resolve(file)).hasSameTextualContentAs(Path.of(file));
    }
    Path carrier = CLASSES.resolve("META-INF/licenses/flink-sql-avro-confluent-registry");
    try (Stream<Path> files = Files.list(carrier)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder(
              "NOTICE",
              "FastDoubleParser-LICENSE",
              "FastDoubleParser-NOTICE",
              "thirdparty-LICENSE");
    }
    assertThat(CLASSES.resolve("demo/ATTRIBUTION.md")).exists();
  }

  private static String section(String heading) throws IOException {
    String notices = Files.readString(Path.of("THIRD-PARTY.md"));
    int start = notices.indexOf(heading);
    assertThat(start).as(heading).isNotNegative();
    int end = notices.indexOf("\n## ", start);
    return notices.substring(start, end);
  }

  private static Set<String> groups(Pattern pattern, String text) {
    return pattern
        .matcher(text)
        .results()
        .map(match -> match.group(1))
        .collect(Collectors.toCollection(TreeSet::new));
  }
}
