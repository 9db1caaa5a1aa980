package io.fisherstreams.config;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;
import org.yaml.snakeyaml.nodes.Tag;

/**
 * One mapping of a YAML file, read key by key. Every refusal is an {@link InvalidInput} that names
 * the file, the line and the key; an unknown key is refused with the nearest known one, a key that
 * stands twice or has no value always. A text is what the file spells, so that a name such as
 * {@code 2024} or {@code yes} needs no quotes; a number or truth value must not have any.
 */
final class StrictYaml {
  // Java's own parser also takes 1d, 0x1p3 and NaN, which are no numbers to anybody else.
  private static final Pattern NUMBER =
      Pattern.compile("[-+]?(\\d+\\.?\\d*|\\.\\d+)([eE][-+]?\\d+)?");

  private static final int MAX_ALIASES = 100;

  private final Path file;
  private final String path;
  private final Node node;
  private final Map<String, Node> values = new LinkedHashMap<>();

  private StrictYaml(Path file, String path, Node node, Set<String> known) {
    this.file = file;
    this.path = path;
    this.node = node;
    if (!(node instanceof MappingNode mapping)) {
      throw refuse(node, path.isEmpty() ? "the file" : path, "expected a mapping");
    }
    for (NodeTuple tuple : mapping.getValue()) {
      String key =
          tuple.getKeyNode() instanceof ScalarNode scalar ? scalar.getValue() : "a complex key";
      if (!known.contains(key)) {
        throw refuse(
            tuple.getKeyNode(),
            at(key),
            "unknown key"
                + nearest(key, known)
                    .map(n -> ", did you mean '" + n + "'?")
                    .orElseGet(() -> "; known are " + String.join(", ", new TreeSet<>(known))));
      }
      if (values.put(key, tuple.getValueNode()) != null) {
        throw refuse(tuple.getKeyNode(), at(key), "the key stands twice");
      }
      // Taking the default instead would hide that the user meant to give a value.
      if (tuple.getValueNode().getTag().equals(Tag.NULL)) {
        throw refuse(tuple.getKeyNode(), at(key), "has no value; give one or remove the key");
      }
    }
  }

  /** Reads a file whose top level is a mapping with these keys at most. */
  static StrictYaml read(Path file, Set<String> known) {
    LoaderOptions options = new LoaderOptions();
    options.setAllowDuplicateKeys(false);
    options.setMaxAliasesForCollections(MAX_ALIASES);
    try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
      Node root = new Yaml(options).compose(reader);
      if (root == null) {
        throw new InvalidInput(file + " is empty");
      }
      return new StrictYaml(file, "", root, known);
    } catch (YAMLException e) {
      if (e.getCause() instanceof CharacterCodingException) {
        throw new InvalidInput(file + " is not UTF-8", e);
      }
      throw new InvalidInput(file + " is no YAML: " + e.getMessage(), e);
    } catch (NoSuchFileException e) {
      throw new InvalidInput(file + " does not exist", e);
    } catch (IOException e) {
      throw new InvalidInput("cannot read " + file + ": " + e, e);
    }
  }

  private static Optional<String> nearest(String key, Set<String> known) {
    return known.stream()
        .filter(candidate -> distance(key, candidate) <= Math.max(2, candidate.length() / 3))
        .min((a, b) -> Integer.compare(distance(key, a), distance(key, b)));
  }

  /** Levenshtein's edit distance. */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int change = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(change, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }

  private String at(String key) {
    return path.isEmpty() ? key : path + "." + key;
  }

  private InvalidInput refuse(Node where, String what, String why) {
    return new InvalidInput(
        "%s, line %d: %s: %s".formatted(file, where.getStartMark().getLine() + 1, what, why));
  }

  /** The refusal of a key's value, or of the mapping when the key is missing. */
  InvalidInput refuse(String key, String why) {
    return refuse(values.getOrDefault(key, node), at(key), why);
  }

  /** Whether the key has a value. */
  boolean has(String key) {
    return values.containsKey(key);
  }

  String text(String key) {
    if (!has(key)) {
      throw refuse(key, "the key is missing");
    }
    if (!(values.get(key) instanceof ScalarNode scalar)) {
      throw refuse(key, "expected a single value");
    }
    return scalar.getValue();
  }

  String text(String key, String otherwise) {
    return has(key) ? text(key) : otherwise;
  }

  /** A number's or truth value's text, which stands without quotes. */
  private String plain(String key, String expected) {
    if (values.get(key) instanceof ScalarNode scalar && scalar.isPlain()) {
      return scalar.getValue();
    }
    throw refuse(key, "expected " + expected + ", without quotes");
  }

  /** A path, relative to the file's folder. */
  Path path(String key) {
    String text = text(key);
    if (text.isBlank()) {
      throw refuse(key, "is empty, expected a path");
    }
    try {
      return file.toAbsolutePath().resolveSibling(text).normalize();
    } catch (InvalidPathException e) {
      throw refuse(key, "is no path: " + e.getReason());
    }
  }

  boolean flag(String key, boolean otherwise) {
    if (!has(key)) {
      return otherwise;
    }
    return switch (plain(key, "true or false")) {
      case "true" -> true;
      case "false" -> false;
      default -> throw refuse(key, "is '" + text(key) + "', expected true or false");
    };
  }

  long whole(String key, long otherwise, long least) {
    if (!has(key)) {
      return otherwise;
    }
    try {
      long value = Long.parseLong(plain(key, "a whole number"));
      if (value >= least) {
        return value;
      }
    } catch (NumberFormatException e) {
      // refused below like a number out of range
    }
    throw refuse(key, "is '" + text(key) + "', expected a whole number of at least " + least);
  }

  int whole(String key, int otherwise, int least) {
    long value = whole(key, (long) otherwise, least);
    if (value > Integer.MAX_VALUE) {
      throw refuse(key, "is '" + value + "', expected at most " + Integer.MAX_VALUE);
    }
    return (int) value;
  }

  /** A finite number of at least {@code least}. */
  double number(String key, double otherwise, double least) {
    if (!has(key)) {
      return otherwise;
    }
    String text = plain(key, "a number");
    if (NUMBER.matcher(text).matches()) {
      double value = Double.parseDouble(text);
      if (value >= least && !Double.isInfinite(value)) {
        return value;
      }
    }
    throw refuse(key, "is '" + text(key) + "', expected a finite number of at least " + least);
  }

  List<String> texts(String key) {
    List<String> texts = new ArrayList<>();
    for (Node item : items(key)) {
      if (!(item instanceof ScalarNode scalar) || item.getTag().equals(Tag.NULL)) {
        throw refuse(item, at(key) + "[" + texts.size() + "]", "expected a text");
      }
      texts.add(scalar.getValue());
    }
    return texts;
  }

  /** A list of mappings with these keys at most; empty when the key is missing. */
  List<StrictYaml> mappings(String key, Set<String> known) {
    List<StrictYaml> mappings = new ArrayList<>();
    for (Node item : items(key)) {
      mappings.add(new StrictYaml(file, at(key) + "[" + mappings.size() + "]", item, known));
    }
    return mappings;
  }

  private List<Node> items(String key) {
    if (!has(key)) {
      return List.of();
    }
    if (!(values.get(key) instanceof SequenceNode sequence)) {
      throw refuse(key, "expected a list");
    }
    return sequence.getValue();
  }

  /** A mapping with these keys at most; empty when the key is missing. */
  Optional<StrictYaml> mapping(String key, Set<String> known) {
    return has(key)
        ? Optional.of(new StrictYaml(file, at(key), values.get(key), known))
        : Optional.empty();
  }
}
