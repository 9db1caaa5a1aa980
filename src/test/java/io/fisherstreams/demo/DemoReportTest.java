package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.Build;
import java.io.StringReader;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class DemoReportTest {
  private static final DigitImages NO_IMAGES = new DigitImages(new byte[0], new byte[0]);

  @Test
  void isOneWellFormedPageThatNeedsNothingElse() throws Exception {
    String html = new DemoReport(result(true)).html();
    Document page = parse(html);
    assertThat(html).doesNotContain("{{", "{%");
    assertThat(page.getElementsByTagName("script").getLength()).isZero();
    assertThat(page.getElementsByTagName("link").getLength()).isZero();
    assertThat(html).doesNotContain("http:", "https:", "url(", "@import");
    NodeList images = page.getElementsByTagName("img");
    assertThat(images.getLength()).isEqualTo(7);
    assertThat(elements(images))
        .allMatch(image -> image.getAttribute("src").startsWith("data:image/png;base64,"));
  }

  @Test
  void drawsEveryReleaseOfEverySeries() throws Exception {
    Document page = parse(new DemoReport(result(true)).html());
    List<Element> lines = elements(page.getElementsByTagName("polyline"));
    // The overview, wide and for a phone, six tasks and the original digits; three lines each.
    assertThat(lines).hasSize(9 * 3);
    assertThat(lines).allMatch(line -> line.getAttribute("points").split(" ").length == 2);
    // 60 % and 40 % in the overview, whose axis runs from 300 (0 %) to 14 (100 %).
    List<Double> heights =
        lines.stream()
            .filter(line -> line.getAttribute("class").equals("fisher"))
            .findFirst()
            .map(line -> line.getAttribute("points").split(" "))
            .map(
                points ->
                    List.of(
                        Double.valueOf(points[0].split(",")[1]),
                        Double.valueOf(points[1].split(",")[1])))
            .orElseThrow();
    assertThat(heights).containsExactly(300 - 0.6 * 286, 300 - 0.4 * 286);
  }

  @Test
  void marksTheBetterOfTheTwoMergesInTheTable() throws Exception {
    Document page = parse(new DemoReport(result(true)).html());
    List<Element> cells = elements(page.getElementsByTagName("td"));
    List<String> best =
        cells.stream()
            .filter(cell -> cell.getAttribute("class").equals("best"))
            .map(Element::getTextContent)
            .toList();
    // Release 1: Fisher ahead on the tasks and their average, the plain average on the originals;
    // release 2: the same on both tasks and originals, so nobody is ahead.
    assertThat(best)
        .containsExactly("60.0", "60.0", "60.0", "60.0", "60.0", "60.0", "60.0", "90.0");
  }

  @Test
  void escapesModelNames() throws Exception {
    String name = "<script>alert('&')</script>\"";
    DigitParameters parameters = DigitNetwork.random(1).parameters();
    String html =
        new DemoReport(
                result(
                    true,
                    List.of(new PooledModel(name, parameters, parameters, NO_IMAGES, NO_IMAGES))))
            .html();
    assertThat(html).contains("&lt;script").doesNotContain("<script");
    Document page = parse(html);
    assertThat(elements(page.getElementsByTagName("th")))
        .filteredOn(head -> head.getTextContent().equals(name))
        .extracting(head -> head.getAttribute("scope"))
        .containsExactly("col", "row");
  }

  @Test
  void escapesTextsOfCharts() throws Exception {
    String name = "<script>alert('&')</script>\"";
    String svg =
        new LineChart(
                List.of(name),
                List.of(new LineChart.Series(name, "fisher", List.of(0.5))),
                List.of(),
                LineChart.Size.PAGE)
            .svg(name);
    assertThat(svg).doesNotContain("<script");
    Document chart = parse(svg);
    assertThat(elements(chart.getElementsByTagName("title")))
        .extracting(Element::getTextContent)
        .containsExactly(name, name + ", " + name + ": 50.0 %");
    assertThat(elements(chart.getElementsByTagName("text")))
        .extracting(Element::getTextContent)
        .contains(name, name + " 50.0");
  }

  @Test
  void tilesHaveTheIntervalsAndThePriceOnTheOriginals() throws Exception {
    Document page = parse(new DemoReport(result(true)).html());
    List<String> tiles =
        elements(page.getElementsByTagName("div")).stream()
            .filter(div -> div.getAttribute("class").equals("card tile"))
            .map(Element::getTextContent)
            .toList();
    // Six accuracies of 0.6 on the same 400 images: 1.96 √(0.6 · 0.4 / 400) = 4.8 points.
    assertThat(tiles.get(0))
        .startsWith("60.0 %")
        .contains("55.2 to 64.8 % with 95\u00a0% confidence");
    // 1.96 √(0.95 · 0.05 / 400) = 2.1 points.
    assertThat(tiles.get(3)).startsWith("95.0 %").contains("92.9 to 97.1 %");
    assertThat(tiles.get(4)).startsWith("94.0 → 80.0 %");
  }

  @Test
  void saysOnHowManyImagesAndWithWhichBuild() {
    assertThat(new DemoReport(result(true)).html())
        .contains("on 400 test images", "FisherStreams " + Build.current().text())
        // Wilson's interval of 50 % on 400 images: 1.96 / (2 √(400 + 1.96²)) = 4.9 points
        .contains("within 4.9 points");
  }

  @Test
  void saysWhetherTheWithdrawnModelIsGone() {
    assertThat(new DemoReport(result(true)).html()).contains("Nothing is left of top-left");
    assertThat(new DemoReport(result(false)).html())
        .contains("Something is left of top-left")
        .doesNotContain("Nothing is left");
  }

  @Test
  void findingsNameTheWinnerOfEachTestSet() {
    DemoFindings findings = DemoFindings.of(result(true));
    assertThat(findings.fisherAhead())
        .containsExactly("tilted", "bold", "top-left", "top-right", "bottom-left", "bottom-right");
    assertThat(findings.averageAhead()).containsExactly("the original digits");
    assertThat(findings.sentence())
        .isEqualTo(
            "With all 6 models in the pool the Fisher merge reads 60.0 % of the tasks' digits, the"
                + " plain average 50.0 %. The Fisher merge is ahead on tilted, bold, top-left,"
                + " top-right, bottom-left and bottom-right; the plain average on the original"
                + " digits.");
  }

  /** A release of both methods at 60 and 50 %, and one of both at 40 %. */
  static DemoResult result(boolean exact) {
    return result(exact, List.of());
  }

  static DemoResult result(boolean exact, List<PooledModel> models) {
    DigitParameters parameters = DigitNetwork.random(1).parameters();
    Map<DigitTask, Double> alone = new EnumMap<>(DigitTask.class);
    for (DigitTask task : DigitTask.values()) {
      alone.put(task, 0.95);
    }
    return new DemoResult(
        parameters,
        models,
        1,
        2_000,
        400,
        scores(0.3, 0.94),
        alone,
        List.of(
            new PoolChange(
                DigitTask.TOP_LEFT,
                true,
                1,
                new TreeMap<>(Map.of("bold", 0.25, "top-left", 0.75)),
                scores(0.6, 0.8),
                scores(0.5, 0.9),
                Duration.ofMillis(300)),
            new PoolChange(
                DigitTask.TOP_LEFT,
                false,
                2,
                new TreeMap<>(Map.of("bold", 1.0)),
                scores(0.4, 0.7),
                scores(0.4, 0.7),
                Duration.ofMillis(200))),
        List.of(new MethodComparison.Result("gradient_matching", scores(0.65, 0.75))),
        exact,
        parameters,
        Duration.ofSeconds(30));
  }

  private static Scores scores(double tasks, double originals) {
    Map<DigitTask, Double> parts = new EnumMap<>(DigitTask.class);
    for (DigitTask task : DigitTask.values()) {
      parts.put(task, tasks);
    }
    return new Scores(parts, originals);
  }

  private static List<Element> elements(NodeList nodes) {
    return IntStream.range(0, nodes.getLength()).mapToObj(i -> (Element) nodes.item(i)).toList();
  }

  private static Document parse(String html) throws Exception {
    DocumentBuilder builder = DocumentBuilderFactory.newInstance().newDocumentBuilder();
    return builder.parse(new InputSource(new StringReader(html)));
  }
}
