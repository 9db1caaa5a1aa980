package io.fisherstreams.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.metrics.Meter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The dashboard and the alerts use our metrics under their names and with their tags. MonitorIT
 * compares the names, those of Kafka and Java included, with what a process shows.
 */
class DashboardTest {
  private static final Path DASHBOARD = Path.of("deploy/grafana/fisher-streams.json");
  private static final Pattern SERIES = Pattern.compile("\\bfisherstreams_\\w+");
  private static final Pattern GROUPED = Pattern.compile("\\bby \\(([^)]*)\\)");
  private static final Pattern SELECTED = Pattern.compile("(\\w+)=");
  private static final Pattern SHOWN = Pattern.compile("\\{\\{(\\w+)}}");

  @Test
  void panelsAndAlertsNameOnlySeriesThatExist() throws Exception {
    Set<String> series =
        Stream.of(Meter.values())
            .flatMap(meter -> meter.series().stream())
            .collect(Collectors.toSet());
    for (Path file : List.of(DASHBOARD, Path.of("deploy/prometheus/alerts.yml"))) {
      Set<String> named = found(SERIES, Files.readString(file), 0);
      assertThat(named).as(file.toString()).isNotEmpty().isSubsetOf(series);
    }
  }

  @Test
  void everyMeterIsOnAPanel() throws Exception {
    Set<String> named = found(SERIES, Files.readString(DASHBOARD), 0);
    for (Meter meter : Meter.values()) {
      assertThat(named).as("a series of %s", meter).containsAnyElementsOf(meter.series());
    }
  }

  @Test
  void panelsSelectGroupAndShowByTagsThatTheirSeriesHas() throws Exception {
    TreeMap<String, Meter> meters = new TreeMap<>();
    for (Meter meter : Meter.values()) {
      meter.series().forEach(series -> meters.put(series, meter));
    }
    List<JsonNode> targets = new ArrayList<>();
    new ObjectMapper()
        .readTree(DASHBOARD.toFile())
        .get("panels")
        .forEach(panel -> panel.path("targets").forEach(targets::add));
    for (JsonNode target : targets) {
      String expression = target.get("expr").asText();
      Set<String> named = found(SERIES, expression, 0);
      if (named.isEmpty()) {
        continue; // Kafka's or Java's
      }
      assertThat(named).as(expression).hasSize(1);
      Set<String> tags = new TreeSet<>(meters.get(named.iterator().next()).tags());
      tags.addAll(List.of("pool", "instance"));
      Set<String> grouped =
          found(GROUPED, expression, 1).stream()
              .flatMap(list -> Arrays.stream(list.split(", ")))
              .collect(Collectors.toSet());
      assertThat(found(SELECTED, expression, 1)).as(expression).contains("pool").isSubsetOf(tags);
      assertThat(grouped).as(expression).isSubsetOf(tags);
      Set<String> shown = found(SHOWN, target.get("legendFormat").asText(), 1);
      if (expression.matches("(sum|max|min|avg|count)\\b.*")) {
        assertThat(shown).as(expression).isEqualTo(grouped);
      } else {
        assertThat(shown).as(expression).isSubsetOf(tags);
      }
    }
  }

  @Test
  void panelsDoNotOverlap() throws Exception {
    Set<String> cells = new TreeSet<>();
    Set<Integer> ids = new TreeSet<>();
    for (JsonNode panel : new ObjectMapper().readTree(DASHBOARD.toFile()).get("panels")) {
      assertThat(ids.add(panel.get("id").asInt())).as(panel.get("title").asText()).isTrue();
      JsonNode place = panel.get("gridPos");
      for (int x = 0; x < place.get("w").asInt(); x++) {
        for (int y = 0; y < place.get("h").asInt(); y++) {
          String cell = (place.get("x").asInt() + x) + " " + (place.get("y").asInt() + y);
          assertThat(cells.add(cell)).as(panel.get("title").asText()).isTrue();
        }
      }
    }
  }

  private static Set<String> found(Pattern pattern, String text, int group) {
    return pattern
        .matcher(text)
        .results()
        .map(result -> result.group(group))
        .collect(Collectors.toCollection(TreeSet::new));
  }
}
