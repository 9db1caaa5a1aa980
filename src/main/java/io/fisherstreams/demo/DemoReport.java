package io.fisherstreams.demo;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;

/**
 * The demo's findings as one page of HTML that needs nothing else: no script, no font, no image
 * from elsewhere. It is well-formed XML, too.
 */
public final class DemoReport {
  private static final int SAMPLES = 5;

  private final DemoResult result;
  private final DigitImages samples;

  /** The page of this result. */
  public DemoReport(DemoResult result) {
    this.result = result;
    this.samples = first(MnistData.load().test());
  }

  /** The whole page. */
  public String html() {
    Map<String, String> parts = new LinkedHashMap<>();
    parts.put("tiles", tiles());
    parts.put("findings", Html.text(DemoFindings.of(result).sentence()));
    parts.put("legend", legend());
    parts.put("overview", overview());
    parts.put("full", Long.toString(result.full().release()));
    parts.put("tasks", tasks());
    parts.put("table", table());
    parts.put("overlap", overlap());
    parts.put("pool", new PoolChart(result.changes()).svg());
    parts.put("withdrawal", withdrawal());
    parts.put("setup", setup());
    String page = template();
    for (Map.Entry<String, String> part : parts.entrySet()) {
      page = page.replace("{{" + part.getKey() + "}}", part.getValue());
    }
    return page;
  }

  private static String template() {
    try (InputStream resource = DemoReport.class.getResourceAsStream("/demo/report.html")) {
      return new String(resource.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("resource demo/report.html", e);
    }
  }

  private String tiles() {
    PoolChange full = result.full();
    return tile("fisher", full.fisher().mean(), "Fisher merge of all six, average over the tasks")
        + tile("average", full.average().mean(), "plain average of all six")
        + tile("base", result.base().mean(), "base model")
        + tile("", result.aloneMean(), "six separate models, each on its own task");
  }

  private static String tile(String style, double part, String caption) {
    return "<div class=\"card tile\"><b class=\"%s\">%s %%</b><span>%s</span></div>%n"
        .formatted(style, percent(part), Html.text(caption));
  }

  private static String legend() {
    return "<div class=\"legend\">"
        + key("fisher", "Fisher merge")
        + key("average", "plain average")
        + key("base", "base model")
        + "</div>";
  }

  private static String key(String style, String name) {
    return "<span><svg viewBox=\"0 0 26 10\"><line class=\"%s\" x1=\"2\" x2=\"24\" y1=\"5\" y2=\"5\"/></svg>%s</span>"
        .formatted(style, name);
  }

  private String overview() {
    return new LineChart(
            result.changes().stream().map(DemoReport::event).toList(),
            lines(Scores::mean),
            List.of(),
            LineChart.Size.PAGE)
        .svg("Average accuracy over the six tasks after each change of the pool");
  }

  private String tasks() {
    StringBuilder panels = new StringBuilder();
    panels.append(
        panel(
            "original digits", "the base model's, no task", samples, Scores::originals, List.of()));
    for (DigitTask task : DigitTask.values()) {
      panels.append(
          panel(
              task.model(),
              task.description(),
              task.of(samples),
              scores -> scores.of(task),
              result.changes().stream().map(change -> change.holds(task)).toList()));
    }
    return panels.toString();
  }

  private String panel(
      String name,
      String description,
      DigitImages images,
      ToDoubleFunction<Scores> accuracy,
      List<Boolean> shaded) {
    String chart =
        new LineChart(
                result.changes().stream().map(change -> Long.toString(change.release())).toList(),
                lines(accuracy),
                shaded,
                LineChart.Size.PANEL)
            .svg(name + ": accuracy by release");
    return "<div class=\"card\"><h3>"
        + Html.text(name)
        + "</h3><p class=\"muted\">"
        + Html.text(description)
        + "</p><img alt=\"\" src=\"data:image/png;base64,"
        + strip(images)
        + "\"/>\n"
        + chart
        + "<p class=\"figures\">"
        + figure("fisher", "Fisher merge", accuracy.applyAsDouble(result.full().fisher()))
        + figure("average", "average", accuracy.applyAsDouble(result.full().average()))
        + figure("base", "base", accuracy.applyAsDouble(result.base()))
        + "</p></div>\n";
  }

  private static String figure(String style, String name, double part) {
    return "<span class=\"%s\">%s<b>%s</b></span>".formatted(style, name, percent(part));
  }

  private List<LineChart.Series> lines(ToDoubleFunction<Scores> accuracy) {
    List<PoolChange> changes = result.changes();
    return List.of(
        new LineChart.Series(
            "base model",
            "base",
            changes.stream().map(change -> accuracy.applyAsDouble(result.base())).toList()),
        new LineChart.Series(
            "plain average",
            "average",
            changes.stream().map(change -> accuracy.applyAsDouble(change.average())).toList()),
        new LineChart.Series(
            "Fisher merge",
            "fisher",
            changes.stream().map(change -> accuracy.applyAsDouble(change.fisher())).toList()));
  }

  private String table() {
    StringBuilder table = new StringBuilder("<table><thead><tr><th></th>");
    for (DigitTask task : DigitTask.values()) {
      table.append("<th>").append(task.model()).append("</th>");
    }
    table.append("<th>average</th><th>original digits</th></tr></thead><tbody>\n");
    for (PoolChange change : List.of(result.full(), result.last())) {
      table.append(
          "<tr class=\"group\"><td colspan=\"%d\">release %d, after %s</td></tr>%n"
              .formatted(
                  DigitTask.values().length + 3, change.release(), Html.text(event(change))));
      row(table, "Fisher merge", change.fisher(), change.average());
      row(table, "plain average", change.average(), change.fisher());
    }
    table.append(
        "<tr class=\"group\"><td colspan=\"%d\">for comparison</td></tr>%n"
            .formatted(DigitTask.values().length + 3));
    row(table, "base model", result.base(), null);
    table.append("<tr><td>each model alone</td>");
    for (DigitTask task : DigitTask.values()) {
      cell(table, result.alone().get(task), false);
    }
    cell(table, result.aloneMean(), false);
    return table.append("<td></td></tr>\n</tbody></table>").toString();
  }

  /** A row of scores, those in bold that are above the rival's. */
  private static void row(StringBuilder table, String name, Scores scores, Scores rival) {
    table.append("<tr><td>").append(name).append("</td>");
    List<ToDoubleFunction<Scores>> columns = new ArrayList<>();
    for (DigitTask task : DigitTask.values()) {
      columns.add(one -> one.of(task));
    }
    columns.add(Scores::mean);
    columns.add(Scores::originals);
    for (ToDoubleFunction<Scores> column : columns) {
      double part = column.applyAsDouble(scores);
      cell(table, part, rival != null && part > column.applyAsDouble(rival));
    }
    table.append("</tr>\n");
  }

  private static void cell(StringBuilder table, double part, boolean best) {
    table.append(best ? "<td class=\"best\">" : "<td>").append(percent(part)).append("</td>");
  }

  private String overlap() {
    FisherOverlap overlap = FisherOverlap.of(result.models(), Network.weightName(0));
    StringBuilder table = new StringBuilder("<table class=\"overlap\"><thead><tr><th></th>");
    for (String model : overlap.models()) {
      table.append("<th>").append(Html.text(model)).append("</th>");
    }
    table.append("</tr></thead><tbody>\n");
    for (int row = 0; row < overlap.models().size(); row++) {
      table.append("<tr><td>").append(Html.text(overlap.models().get(row))).append("</td>");
      for (double cosine : overlap.cosines().get(row)) {
        table.append(
            String.format(Locale.ROOT, "<td style=\"--part:%.2f\">%.2f</td>", cosine, cosine));
      }
      table.append("</tr>\n");
    }
    return table.append("</tbody></table>").toString();
  }

  private String withdrawal() {
    String model = result.last().model().model();
    return result.withdrawalExact()
        ? "<div class=\"card check\"><p><b>Nothing is left of %s.</b> Release %d, made when it was withdrawn, is bit-identical to the release of a second pool in which it never was.</p></div>"
            .formatted(model, result.last().release())
        : "<div class=\"card check failed\"><p><b>Something is left of %s.</b> Release %d, made when it was withdrawn, differs from the release of a second pool in which it never was. This is an error of the program.</p></div>"
            .formatted(model, result.last().release());
  }

  private String setup() {
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put(
        "Networks",
        "perceptrons of 784, 256, 128 and 10 units, "
            + String.format(Locale.ROOT, "%,d", result.merged().elements())
            + " parameters; trained with Adam in this run from seed "
            + result.seed());
    facts.put(
        "Merge",
        String.format(
            Locale.ROOT,
            "θ = Σ c (F + ε) θₘ / Σ c (F + ε) per parameter, summed over the models m; ε = %s, c ="
                + " 1 / (n (‖F‖ + ε)); F is the exact per-example diagonal Fisher over %,d training"
                + " images of the model's own task",
            Double.toString(DemoScenario.METHOD.epsilon()).replace(".0E", "e"),
            result.examples()));
    facts.put(
        "Tasks",
        "chosen to show what Fisher merging can do and what it cannot: networks that read different"
            + " corners depend on different pixels, and their Fishers tell which; tilted, bold and"
            + " original digits share the same pixels");
    facts.put(
        "From arrival to release",
        result.changes().stream()
            .map(c -> String.format(Locale.ROOT, "%.1f", c.waited().toMillis() / 1000.0))
            .collect(Collectors.joining(", ", "", " seconds")));
    facts.put(
        "Whole run", String.format(Locale.ROOT, "%.0f seconds", result.took().toMillis() / 1000.0));
    facts.put(
        "Digits",
        "a subset of the MNIST database of handwritten digits by Yann LeCun, Corinna Cortes and"
            + " Christopher J. C. Burges (CC BY-SA 3.0)");
    return facts.entrySet().stream()
        .map(
            fact ->
                "<dt>%s</dt><dd>%s</dd>"
                    .formatted(Html.text(fact.getKey()), Html.text(fact.getValue())))
        .collect(Collectors.joining("\n"));
  }

  /** What happened, as short as an axis needs it. */
  static String event(PoolChange change) {
    return (change.arrived() ? "+ " : "− ") + change.model().model();
  }

  private static String percent(double part) {
    return String.format(Locale.ROOT, "%.1f", 100 * part);
  }

  private static DigitImages first(DigitImages images) {
    return new DigitImages(
        Arrays.copyOf(images.pixels(), SAMPLES * DigitImages.PIXELS),
        Arrays.copyOf(images.labels(), SAMPLES));
  }

  /** The images side by side, a PNG in base 64. */
  private static String strip(DigitImages images) {
    int side = DigitImages.SIDE;
    BufferedImage strip =
        new BufferedImage(side * images.count(), side, BufferedImage.TYPE_BYTE_GRAY);
    IntStream.range(0, images.count() * DigitImages.PIXELS)
        .forEach(
            j ->
                strip
                    .getRaster()
                    .setSample(
                        j / DigitImages.PIXELS * side + j % side,
                        j % DigitImages.PIXELS / side,
                        0,
                        Byte.toUnsignedInt(images.pixels()[j])));
    ByteArrayOutputStream png = new ByteArrayOutputStream();
    try {
      ImageIO.write(strip, "png", png);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return Base64.getEncoder().encodeToString(png.toByteArray());
  }
}
