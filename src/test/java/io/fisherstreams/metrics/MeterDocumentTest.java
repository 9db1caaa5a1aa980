package io.fisherstreams.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The document of the metrics lists every meter, with its tags, and no other. */
class MeterDocumentTest {
  private static final Pattern ROW =
      Pattern.compile("(?m)^\\| `(fisherstreams_[a-z_]+)` \\|([^|]*)\\|");

  @Test
  void theDocumentListsEveryMeterWithItsTags() throws IOException {
    TreeSet<String> documented =
        ROW.matcher(Files.readString(Path.of("docs/metrics.md")))
            .results()
            .map(row -> (row.group(1) + " " + row.group(2).replace("`", "").strip()).strip())
            .collect(Collectors.toCollection(TreeSet::new));
    TreeSet<String> built =
        Stream.of(Meter.values())
            .map(meter -> meter.prometheus() + " " + String.join(", ", meter.tags()))
            .map(String::strip)
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(documented).isEqualTo(built);
  }
}
