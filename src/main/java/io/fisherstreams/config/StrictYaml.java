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
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;
import org.yaml.snakeyaml.nodes.Tag;

/**
 * One mapping of a YAML file, read key by key. Every error is an {@link InvalidInput} that names
 * the file, the line and the key. An unknown key is an error, whose message names the nearest known
 * key; a duplicate key and a key without a value are errors too. A text is read as the file spells
 * it, so that a name such as {@code 2024} or {@code yes} needs no quotes. A number or truth value
 * must not have quotes.
 */
final class StrictYaml {
  // Java's own parser also accepts 1d, 0x1p3 and NaN.
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
      throw invalid(node, path.isEmpty() ? "the file" : path, "expected a mapping");
    }
    for (NodeTuple tuple : mapping.getValue()) {
      String key =
          tuple.getKeyNode() instanceof ScalarNode scalar ? scalar.getValue() : "a complex key";
      if (!known.contains(key)) {
        throw invalid(
            tuple.getKeyNode(),
            at(key),
            "unknown key"
                + NearestName.find(key, known)
                    .map(n -> ", did you mean '" + n + "'?")
                    .orElseGet(() -> "; known are " + String.join(", ", new TreeSet<>(known))));
      }
      if (values.put(key, tuple.getValueNode()) != null) {
        throw invalid(tuple.getKeyNode(), at(key), "duplicate key");
      }
      // The default would hide that the user meant to give a value.
      if (tuple.getValueNode().getTag().equals(Tag.NULL)) {
        throw invalid(tuple.getKeyNode(), at(key), "has no value; give one or remove the key");
      }
    }
  }

  /** Reads a file whose top level is a mapping with some of these keys. */
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
      if (e.getCause() instanceof IOException failed) {
        throw InvalidInput.unreadable(file, failed);
      }
      throw new InvalidInput(file + " is not valid YAML: " + reason(e), e);
    } catch (NoSuchFileException e) {
      throw new InvalidInput(file + " does not exist", e);
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    }
  }

  /** What is wrong and where, in one line: the library's message quotes the file over several. */
  private static String reason(YAMLException error) {
    return error instanceof MarkedYAMLException marked && marked.getProblemMark() != null
        ? String.format(
            Locale.ROOT,
            "line %d, column %d: %s",
            marked.getProblemMark().getLine() + 1,
            marked.getProblemMark().getColumn() + 1,
            marked.getProblem())
        : error.getMessage();
  }

  private String at(String key) {
    return path.isEmpty() ? key : path + "." + key;
  }

  private InvalidInput invalid(Node where, String what, String why) {
    return new InvalidInput(
        String.format(
            Locale.ROOT,
            "%s, line %d: %s: %s",
            file,
            where.getStartMark().getLine() + 1,
            what,
            why));
  }

  /** The error of a key's value, or of the mapping when the key is missing. */
  InvalidInput invalid(String key, String why) {
    return invalid(values.getOrDefault(key, node), at(key), why);
  }

  /** Whether the key has a value. */
  boolean has(String key) {
    return values.containsKey(key);
  }

  /**
   * The mapping in one line, such as {@code fisher scale 1.4}.
   *
   * @param first what stands first, in place of the key {@code without}
   */
  String entries(String first, String without) {
    StringBuilder line = new StringBuilder(first);
    values.forEach(
        (key, value) -> {
          if (!key.equals(without)) {
            line.append(' ').append(key).append(' ').append(text(key));
          }
        });
    return line.toString();
  }

  String text(String key) {
    if (!has(key)) {
      throw invalid(key, "the key is missing");
    }
    if (!(values.get(key) instanceof ScalarNode scalar)) {
      throw invalid(key, "expected a single value");
    }
    return scalar.getValue();
  }

  String text(String key, String otherwise) {
    return has(key) ? text(key) : otherwise;
  }

  /** The text of a number or truth value, which must not have quotes. */
  private String plain(String key, String expected) {
    if (values.get(key) instanceof ScalarNode scalar && scalar.isPlain()) {
      return scalar.getValue();
    }
    throw invalid(key, "expected " + expected + ", without quotes");
  }

  /** A path, relative to the file's folder. */
  Path path(String key) {
    String text = text(key);
    if (text.isBlank()) {
      throw invalid(key, "is empty, expected a path");
    }
    try {
      // Standard input has no folder: its paths are relative to the working directory.
      Path beside = file.startsWith("/dev") || file.startsWith("/proc") ? Path.of("stdin") : file;
      return beside.toAbsolutePath().resolveSibling(text).normalize();
    } catch (InvalidPathException e) {
      throw invalid(key, "is not a path: " + e.getReason());
    }
  }

  /** A path, relative to the file's folder; empty when the key is missing. */
  Optional<Path> optionalPath(String key) {
    return has(key) ? Optional.of(path(key)) : Optional.empty();
  }

  boolean flag(String key, boolean otherwise) {
    if (!has(key)) {
      return otherwise;
    }
    return switch (plain(key, "true or false")) {
      case "true" -> true;
      case "false" -> false;
      default -> throw invalid(key, "is '" + text(key) + "', expected true or false");
    };
  }

  /** A whole number of at least {@code min}. */
  long whole(String key, long otherwise, long min) {
    if (!has(key)) {
      return otherwise;
    }
    try {
      long value = Long.parseLong(plain(key, "a whole number"));
      if (value >= min) {
        return value;
      }
    } catch (NumberFormatException e) {
      // rejected below like a number out of range
    }
    throw invalid(key, "is '" + text(key) + "', expected a whole number of at least " + min);
  }

  /** A whole number of at least {@code min}. */
  int whole(String key, int otherwise, int min) {
    long value = whole(key, (long) otherwise, min);
    if (value > Integer.MAX_VALUE) {
      throw invalid(key, "is '" + value + "', expected at most " + Integer.MAX_VALUE);
    }
    return (int) value;
  }

  /** A whole number of at least {@code min}, if the key is there. */
  OptionalInt optionalWhole(String key, int min) {
    return has(key) ? OptionalInt.of(whole(key, min, min)) : OptionalInt.empty();
  }

  /** A finite number of at least {@code min}. */
  double number(String key, double otherwise, double min) {
    if (!has(key)) {
      return otherwise;
    }
    String text = plain(key, "a number");
    if (NUMBER.matcher(text).matches()) {
      double value = Double.parseDouble(text);
      if (value >= min && !Double.isInfinite(value)) {
        return value;
      }
    }
    throw invalid(key, "is '" + text(key) + "', expected a finite number of at least " + min);
  }

  List<String> texts(String key) {
    List<String> texts = new ArrayList<>();
    for (Node item : items(key)) {
      if (!(item instanceof ScalarNode scalar) || item.getTag().equals(Tag.NULL)) {
        throw invalid(item, at(key) + "[" + texts.size() + "]", "expected a text");
      }
      texts.add(scalar.getValue());
    }
    return texts;
  }

  /** A list of mappings with some of these keys; empty when the key is missing. */
  List<StrictYaml> mappings(String key, Set<String> known) {
    List<StrictYaml> mappings = new ArrayList<>();
    for (Node item : items(key)) {
      mappings.add(new StrictYaml(file, at(key) + "[" + mappings.size() + "]", item, known));
    }
    return mappings;
  }

  /**
   * A list of mappings with some of these keys, in which a single value stands for a mapping with
   * one key; empty when the key is missing.
   *
   * @param single that one key
   */
  List<StrictYaml> mappingsOrValues(String key, String single, Set<String> known) {
    List<StrictYaml> mappings = new ArrayList<>();
    for (Node item : items(key)) {
      Node mapping = item instanceof ScalarNode value ? mapping(single, value) : item;
      mappings.add(new StrictYaml(file, at(key) + "[" + mappings.size() + "]", mapping, known));
    }
    return mappings;
  }

  private static Node mapping(String key, ScalarNode value) {
    Node name =
        new ScalarNode(
            Tag.STR,
            key,
            value.getStartMark(),
            value.getEndMark(),
            DumperOptions.ScalarStyle.PLAIN);
    return new MappingNode(
        Tag.MAP,
        true,
        List.of(new NodeTuple(name, value)),
        value.getStartMark(),
        value.getEndMark(),
        DumperOptions.FlowStyle.FLOW);
  }

  private List<Node> items(String key) {
    if (!has(key)) {
      return List.of();
    }
    if (!(values.get(key) instanceof SequenceNode sequence)) {
      throw invalid(key, "expected a list");
    }
    return sequence.getValue();
  }

  /** A mapping whose keys the user chooses; empty when the key is missing. */
  Optional<StrictYaml> named(String key) {
    if (!has(key)) {
      return Optional.empty();
    }
    Set<String> names = new HashSet<>();
    if (values.get(key) instanceof MappingNode named) {
      for (NodeTuple tuple : named.getValue()) {
        if (tuple.getKeyNode() instanceof ScalarNode name) {
          names.add(name.getValue());
        }
      }
    }
    return Optional.of(new StrictYaml(file, at(key), values.get(key), names));
  }

  /** The keys, in the file's order. */
  List<String> keys() {
    return List.copyOf(values.keySet());
  }

  /** A mapping with some of these keys; empty when the key is missing. */
  Optional<StrictYaml> mapping(String key, Set<String> known) {
    return has(key)
        ? Optional.of(new StrictYaml(file, at(key), values.get(key), known))
        : Optional.empty();
  }
}
