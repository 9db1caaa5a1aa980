package io.fisherstreams.docs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * One Markdown file of the project, read as GitHub shows it.
 *
 * @param file its path
 * @param lines all lines
 */
record MarkdownPage(Path file, List<String> lines) {
  private static final Pattern FENCE = Pattern.compile("^\\s*(```|~~~).*");
  private static final Pattern INLINE_CODE = Pattern.compile("`[^`]*`");
  private static final Pattern HEADING = Pattern.compile("^#{1,6} +(.*?) *#*$");
  private static final Pattern LINK =
      Pattern.compile("\\[([^\\[\\]]*)\\](\\(([^()]*)\\)|\\[([^\\[\\]]*)\\])");
  private static final Pattern CELL_BORDER = Pattern.compile("(?<!\\\\)\\|");

  /** A link; its path is empty where it leads nowhere. */
  private record Target(String text, String path) {}

  static MarkdownPage read(Path file) throws IOException {
    return new MarkdownPage(file, Files.readAllLines(file));
  }

  /** README.md and all other pages at the top of a folder and anywhere in its docs. */
  static List<MarkdownPage> all(Path root) throws IOException {
    List<MarkdownPage> pages = new ArrayList<>();
    try (Stream<Path> top = Files.list(root);
        Stream<Path> docs = Files.walk(root.resolve("docs"))) {
      for (Path file :
          Stream.concat(top, docs).filter(f -> f.toString().endsWith(".md")).sorted().toList()) {
        pages.add(read(file));
      }
    }
    return pages;
  }

  /** The lines outside of fenced code. */
  private List<String> prose() {
    List<String> prose = new ArrayList<>();
    boolean isCode = false;
    for (String line : lines) {
      if (FENCE.matcher(line).matches()) {
        isCode = !isCode;
      } else if (!isCode) {
        prose.add(line);
      }
    }
    return prose;
  }

  /** The blocks of fenced code with one of these languages, each as its lines. */
  List<List<String>> code(Set<String> languages) {
    List<List<String>> blocks = new ArrayList<>();
    List<String> block = null;
    for (String line : lines) {
      if (!FENCE.matcher(line).matches()) {
        if (block != null) {
          block.add(line);
        }
      } else if (block == null) {
        block = new ArrayList<>();
        if (languages.contains(line.strip().substring(3).strip())) {
          blocks.add(block);
        }
      } else {
        block = null;
      }
    }
    return blocks;
  }

  /** The anchors of the headings, as GitHub makes them. */
  Set<String> anchors() {
    Set<String> anchors = new LinkedHashSet<>();
    Map<String, Integer> seen = new HashMap<>();
    for (String line : prose()) {
      Matcher heading = HEADING.matcher(line);
      if (heading.matches()) {
        String anchor =
            LINK.matcher(heading.group(1))
                .replaceAll("$1")
                .toLowerCase(Locale.ROOT)
                .replaceAll("[^\\p{L}\\p{N}\\p{M} _-]", "")
                .replace(' ', '-');
        int count = seen.merge(anchor, 1, Integer::sum);
        anchors.add(count == 1 ? anchor : anchor + "-" + (count - 1));
      }
    }
    return anchors;
  }

  /** The files that the page links to. */
  Set<Path> linked() {
    Set<Path> linked = new LinkedHashSet<>();
    for (Target target : targets()) {
      if (!isExternal(target.path) && !target.path.isBlank()) {
        linked.add(resolve(target.path));
      }
    }
    return linked;
  }

  /** What is wrong with the page's links; empty when each leads to a file and a heading. */
  List<String> brokenLinks() throws IOException {
    List<String> broken = new ArrayList<>();
    for (Target target : targets()) {
      String where = "%s: [%s](%s): ".formatted(file, target.text, target.path);
      if (target.path.isBlank() || target.text.isBlank()) {
        broken.add(where + "a link needs a text and a target");
      } else if (!isExternal(target.path)) {
        Path path = resolve(target.path);
        int hash = target.path.indexOf('#');
        if (!Files.exists(path)) {
          broken.add(where + path + " does not exist");
        } else if (hash >= 0
            && (!path.toString().endsWith(".md")
                || !read(path).anchors().contains(target.path.substring(hash + 1)))) {
          broken.add(where + path + " has no such heading");
        }
      }
    }
    return broken;
  }

  /** Every cell of the page's tables. */
  List<String> cells() {
    return prose().stream()
        .filter(line -> line.startsWith("|"))
        .flatMap(CELL_BORDER::splitAsStream)
        .toList();
  }

  private List<Target> targets() {
    List<Target> targets = new ArrayList<>();
    // a link may go over the end of a line, but not over the end of a paragraph
    for (String paragraph : String.join("\n", prose()).split("\n\\s*\n")) {
      Matcher links = LINK.matcher(INLINE_CODE.matcher(paragraph).replaceAll("code"));
      while (links.find()) {
        // the project's pages have no link definitions: [text][name] leads nowhere
        targets.add(
            new Target(links.group(1), links.group(3) == null ? "" : links.group(3).strip()));
      }
    }
    return targets;
  }

  private static boolean isExternal(String path) {
    return path.matches("[a-z]+:.*");
  }

  private Path resolve(String path) {
    String name = path.replaceAll("#.*", "");
    return name.isEmpty() ? file : file.resolveSibling(name).normalize();
  }
}
