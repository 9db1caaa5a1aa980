package io.fisherstreams.fisher;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * The layer of a parameter, derived from its name alone. The layer is the name's dotted parts up to
 * and including the first number ({@code encoder.layers.3.mlp.fc1.weight} is in {@code
 * encoder.layers.3}, {@code h.0.attn.c_attn.bias} in {@code h.0}). Without a number it is the name
 * without its last part ({@code embeddings.position.weight} is in {@code embeddings.position}). A
 * name without a dot is a layer of its own.
 */
public final class Layers {
  /**
   * Compares numbers by value, so that layer 2 comes before layer 10, and everything else as text.
   */
  public static final Comparator<String> ORDER =
      Comparator.comparing((String layer) -> List.of(layer.split("\\.", -1)), Layers::compare)
          .thenComparing(Comparator.naturalOrder());

  private Layers() {}

  /** The layer of a parameter. */
  public static String of(String parameter) {
    String[] parts = parameter.split("\\.", -1);
    for (int i = 0; i < parts.length; i++) {
      if (isNumber(parts[i])) {
        return join(parts, i + 1);
      }
    }
    return join(parts, Math.max(1, parts.length - 1));
  }

  private static String join(String[] parts, int count) {
    return String.join(".", Arrays.asList(parts).subList(0, count));
  }

  private static boolean isNumber(String part) {
    return !part.isEmpty() && part.chars().allMatch(c -> c >= '0' && c <= '9');
  }

  private static int compare(List<String> left, List<String> right) {
    for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
      int order = comparePart(left.get(i), right.get(i));
      if (order != 0) {
        return order;
      }
    }
    return Integer.compare(left.size(), right.size());
  }

  private static int comparePart(String left, String right) {
    if (!isNumber(left) || !isNumber(right)) {
      return left.compareTo(right);
    }
    String one = left.replaceFirst("^0+", "");
    String other = right.replaceFirst("^0+", "");
    return one.length() != other.length()
        ? Integer.compare(one.length(), other.length())
        : one.compareTo(other);
  }
}
