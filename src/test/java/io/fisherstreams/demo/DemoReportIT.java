package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.fisherstreams.page.Chromium;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The report in a browser: nothing is cut, on a phone, a small window and a large one. */
class DemoReportIT {
  // What an element has beyond the edge of its card, which its reader does not see, or sees on the
  // card beside it.
  private static final String CUT =
      "[...document.querySelectorAll('.card')].flatMap((card) =>"
          + " [...card.querySelectorAll('b, span, p, td, th, img, svg, text, dd, h3')]"
          + ".filter((part) => { const range = document.createRange(); range.selectNode(part);"
          + " const inner = document.createRange(); inner.selectNodeContents(part);"
          + " return Math.max(range.getBoundingClientRect().right,"
          + " inner.getBoundingClientRect().right) > card.getBoundingClientRect().right; })"
          + ".map((part) => part.outerHTML.slice(0, 200)))";

  @TempDir private Path directory;

  @Test
  void nothingIsCut() throws IOException {
    assumeTrue(
        Chromium.program().isPresent(),
        "chromium is not installed; on Debian: apt-get install chromium");
    Path report =
        Files.writeString(
            directory.resolve("report.html"), new DemoReport(DemoReportTest.result(true)).html());
    try (Chromium browser = Chromium.start(directory.resolve("profile"))) {
      for (int width : List.of(1280, 1000, 800, 600, Chromium.PHONE)) {
        browser.show(width, 900, false);
        browser.open(report.toUri());
        JsonNode cut = browser.evaluate(CUT);
        assertThat(cut).as("at %d pixels", width).isEmpty();
      }
      assertThat(browser.accessibilityViolations()).isEmpty();
      assertThat(browser.complaints()).isEmpty();
    }
  }
}
