package io.fisherstreams.build;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.cli.Main;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** The version is in pom.xml and nowhere else. */
class VersionTest {
  private static final Pattern VERSION =
      Pattern.compile("<artifactId>fisher-streams</artifactId>\\s*<version>([^<]+)<");

  @Test
  void commandPrintsTheVersionOfThePom() throws IOException {
    assertThat(new CommandLine(new Main()).getCommandSpec().version())
        .singleElement()
        .asString()
        .matches(
            "fisher-streams " + Pattern.quote(version()) + "( \\(commit [0-9a-f]+(-dirty)?\\))?");
  }

  @Test
  void noOtherFileNamesTheVersion() throws IOException {
    Pattern version = Pattern.compile("(?<![\\d.])" + Pattern.quote(version()) + "(?![\\d.])");
    List<Path> named = new ArrayList<>();
    for (String root :
        List.of(
            ".ci",
            ".github",
            "README.md",
            "bin",
            "deploy",
            "docker-compose.yml",
            "src/main/java")) {
      try (Stream<Path> files = Files.walk(Path.of(root))) {
        for (Path file : files.filter(Files::isRegularFile).toList()) {
          if (version.matcher(Files.readString(file)).find()) {
            named.add(file);
          }
        }
      }
    }
    assertThat(named).isEmpty();
  }

  private static String version() throws IOException {
    Matcher matcher = VERSION.matcher(Files.readString(Path.of("pom.xml")));
    assertThat(matcher.find()).isTrue();
    return matcher.group(1);
  }
}
