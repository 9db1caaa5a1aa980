package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.fisherstreams.local.ServeFile;
import io.fisherstreams.page.Chromium;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code demo --serve}: the page of the demo's pool, while the scenario runs and after it. With
 * {@code -Dfisherstreams.screenshots=docs/images} it runs the whole scenario and takes the README's
 * pictures.
 */
class ServedPoolsIT {
  private static final String SCREENSHOTS = System.getProperty("fisherstreams.screenshots");

  @TempDir private Path directory;

  @Test
  void theFirstPoolHasAPageThatStaysAfterTheScenario() throws IOException {
    assumeTrue(
        Chromium.program().isPresent(),
        "chromium is not installed; on Debian: apt-get install chromium");
    List<URI> pages = new ArrayList<>();
    Path folder = Files.createDirectory(directory.resolve("demo"));
    try (Chromium browser = Chromium.start(directory.resolve("profile"));
        ServedPools pools =
            new ServedPools(
                folder,
                page -> {
                  pages.add(page);
                  browser.show(1280, 900, false);
                  browser.open(page);
                })) {
      DemoResult result = pools.run(() -> scenario(pools).run());
      assertThat(result.withdrawalExact()).isTrue();
      assertThat(pages).hasSize(1);
      ServeFile file = ServeFile.find(pools.home()).orElseThrow();
      assertThat(file.pool()).isEqualTo("digits");
      assertThat(file.api()).isEqualTo(pages.get(0));
      browser.awaitText("#pool-name", "digits");
      browser.awaitText("#activity", "top-left was withdrawn");
      browser.awaitText("[data-release='7']", "✓ complete");
      browser.await("document.querySelectorAll('#models tbody tr').length === 6");
      // Six releases of one model more each, and one of five: the models by the releases.
      browser.await("document.querySelectorAll('#members tbody td').length === 6 * 7");
      browser.await("document.querySelectorAll('#members tbody td.none').length === 15 + 1");
      browser.awaitText("#shares", "Release 7");
      browser.evaluate("document.querySelector('#similarity button').click()");
      browser.await("document.querySelectorAll('#similarity tbody td').length === 25");
      assertThat(browser.accessibilityViolations()).isEmpty();
      assertThat(browser.complaints()).isEmpty();
      picture(browser, "page.png", 1200, 1080, false, "body");
      picture(browser, "page-shares.png", 1200, 720, false, "#shares");
      picture(browser, "page-phone-dark.png", Chromium.PHONE, 760, true, "body");
    }
    assertThat(folder.resolve("pool").resolve(ServeFile.NAME)).doesNotExist();
  }

  private static DemoScenario scenario(ServedPools pools) {
    DemoConsole console = new DemoConsole(new PrintWriter(new StringWriter()));
    return SCREENSHOTS == null
        ? SmallRun.of(8, pools, console)
        : new DemoScenario(0, pools, console);
  }

  private static void picture(
      Chromium browser, String name, int width, int height, boolean dark, String from)
      throws IOException {
    browser.show(width, height, dark);
    browser.evaluate("document.querySelector(" + Chromium.quoted(from) + ").scrollIntoView()");
    browser.screenshot(Path.of(SCREENSHOTS == null ? "target/screenshots" : SCREENSHOTS, name));
  }
}
