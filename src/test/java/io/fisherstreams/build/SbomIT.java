package io.fisherstreams.build;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The CycloneDX list of {@code mvn package -Psbom}. */
class SbomIT {
  private static final Pattern JAR = Pattern.compile("(.*)\\.jar");

  @Test
  void namesEveryLibraryOfTheDistributionWithVersionChecksumAndLicence() throws Exception {
    Path list = Path.of("target", "fisher-streams-sbom.json");
    assumeTrue(Files.exists(list), "built without -Psbom");
    JsonNode bom = new ObjectMapper().readTree(list.toFile());
    assertThat(bom.get("bomFormat").asText()).isEqualTo("CycloneDX");
    Set<String> named = new TreeSet<>();
    for (JsonNode component : bom.get("components")) {
      String name = component.get("name").asText() + "-" + component.get("version").asText();
      String purl = component.get("purl").asText();
      assertThat(component.get("hashes")).as(name).isNotEmpty();
      assertThat(component.get("licenses")).as(name).isNotEmpty();
      String classifier =
          purl.contains("classifier=") ? "-" + purl.replaceAll(".*classifier=([^&]*).*", "$1") : "";
      named.add(name + classifier);
    }
    // Kafka wants it for tools that we do not ship; as a library of our tests it stays out of
    // target/lib.
    named.removeIf(name -> name.startsWith("jackson-dataformat-yaml-"));
    try (Stream<Path> jars = Files.list(Path.of("target", "lib"))) {
      assertThat(named)
          .isEqualTo(
              jars.map(jar -> JAR.matcher(jar.getFileName().toString()))
                  .filter(jar -> jar.matches())
                  .map(jar -> jar.group(1))
                  .collect(Collectors.toCollection(TreeSet::new)));
    }
  }
}
