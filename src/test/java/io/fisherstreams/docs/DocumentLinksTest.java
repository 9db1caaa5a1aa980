package io.fisherstreams.docs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The project's pages lead to each other, and can be read. */
final class DocumentLinksTest {
  private static final Path ROOT = Path.of("");
  private static final Path SOURCES = Path.of("src/main/java/io/fisherstreams");
  private static final Pattern CLASS = Pattern.compile("`((?:[a-z]+/)+[A-Z]\\w+)`");
  private static final Pattern PACKAGE = Pattern.compile("(?:^|[ ;])([a-z]+)/(?=[: ]|$)");
  private static final int MAX_LINES_OF_THE_DESIGN = 100;
  private static final int MAX_CELL_CHARACTERS = 399;

  @TempDir private Path directory;

  @Test
  void everyLinkLeadsToAFileAndAHeading() throws IOException {
    List<MarkdownPage> pages = MarkdownPage.all(ROOT);
    assertThat(pages).hasSizeGreaterThan(10);
    List<String> broken = new ArrayList<>();
    for (MarkdownPage page : pages) {
      broken.addAll(page.brokenLinks());
    }
    assertThat(broken).isEmpty();
  }

  @Test
  void readmeLinksEveryPage() throws IOException {
    Set<Path> pages = new TreeSet<>();
    MarkdownPage.all(ROOT).stream()
        .map(MarkdownPage::file)
        .filter(file -> file.startsWith("docs"))
        .forEach(pages::add);
    assertThat(MarkdownPage.read(Path.of("README.md")).linked()).containsAll(pages);
  }

  @Test
  void brokenLinksAreFound() throws IOException {
    Files.writeString(directory.resolve("other.md"), "# One & `two`\n\n## Again\n\n## Again\n");
    Path page =
        Files.writeString(
            directory.resolve("page.md"),
            """
            # A page

            Good: [a](other.md), [b](other.md#one--two), [c](#a-page), [d](https://example.org/#x),
            [over the end
            of a line](other.md#again-1), `[code](missing.md)`.

            ```
            [code](missing.md)
            ```

            Bad: [no file](missing.md), [no heading](other.md#three), [no heading here](#b-page),
            [nothing](), [no definition][name].
            """);
    assertThat(MarkdownPage.read(page).brokenLinks())
        .hasSize(5)
        .anyMatch(problem -> problem.contains("[no file](missing.md)"))
        .anyMatch(problem -> problem.contains("[no heading](other.md#three)"))
        .anyMatch(problem -> problem.contains("[no heading here](#b-page)"))
        .anyMatch(problem -> problem.contains("[nothing]()"))
        .anyMatch(problem -> problem.contains("[no definition]()"));
  }

  @Test
  void designFitsAHundredLines() throws IOException {
    assertThat(MarkdownPage.read(Path.of("docs/design.md")).lines())
        .hasSizeLessThanOrEqualTo(MAX_LINES_OF_THE_DESIGN);
  }

  @Test
  void classesThatThePagesNameExist() throws IOException {
    List<String> named = new ArrayList<>();
    for (MarkdownPage page : MarkdownPage.all(ROOT)) {
      CLASS
          .matcher(String.join("\n", page.lines()))
          .results()
          .forEach(name -> named.add(name.group(1)));
    }
    assertThat(named)
        .hasSizeGreaterThan(8)
        .filteredOn(name -> !Files.exists(ROOT.resolve(name)))
        .allSatisfy(name -> assertThat(SOURCES.resolve(name + ".java")).exists());
  }

  @Test
  void layoutListsThePackages() throws IOException {
    List<String> layout =
        MarkdownPage.read(Path.of("docs/design.md")).code(Set.of("")).stream()
            .filter(block -> block.stream().anyMatch(line -> line.startsWith("src/main/java")))
            .findFirst()
            .orElseThrow();
    Set<String> listed = new TreeSet<>();
    for (String line : layout.subList(2, layout.size())) {
      PACKAGE.matcher(line).results().forEach(name -> listed.add(name.group(1)));
    }
    Set<String> packages = new TreeSet<>();
    try (Stream<Path> files = Files.walk(SOURCES)) {
      files
          .filter(Files::isDirectory)
          .filter(folder -> !folder.equals(SOURCES))
          .forEach(folder -> packages.add(folder.getFileName().toString()));
    }
    assertThat(listed).isEqualTo(packages);
  }

  @Test
  void noCellOfATableIsAParagraph() throws IOException {
    for (MarkdownPage page : MarkdownPage.all(ROOT)) {
      assertThat(page.cells())
          .as("%s", page.file())
          .allSatisfy(
              cell -> assertThat(cell.strip()).hasSizeLessThanOrEqualTo(MAX_CELL_CHARACTERS));
    }
    Path page = Files.writeString(directory.resolve("page.md"), "| a | " + "b".repeat(400) + " |");
    assertThat(MarkdownPage.read(page).cells()).anyMatch(cell -> cell.strip().length() == 400);
  }
}
