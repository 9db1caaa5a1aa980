package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.gradient.model.ModelRuntimes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The table of architectures in docs/gradients.md. */
class ArchitecturesDocumentTest {

  @Test
  void theTableHasEveryModelTypeAndNoOther() throws IOException {
    String page = Files.readString(Path.of("docs/gradients.md"));
    String table =
        page.substring(page.indexOf("| `model_type` |"))
            .lines()
            .takeWhile(l -> l.startsWith("|"))
            .skip(2)
            .map(row -> row.split("\\|")[1])
            .filter(cell -> !cell.contains("any"))
            .reduce("", String::concat);
    TreeSet<String> documented = new TreeSet<>();
    Pattern.compile("`([^`]+)`").matcher(table).results().forEach(m -> documented.add(m.group(1)));
    assertThat(documented).isEqualTo(ModelRuntimes.modelTypes());
  }
}
