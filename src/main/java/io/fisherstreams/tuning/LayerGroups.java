package io.fisherstreams.tuning;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.Layers;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.fisher.ParameterGroups.Group;
import io.fisherstreams.record.Limits;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Groups of neighbouring layers, of about as many elements each. {@link Layers} says what a layer
 * is and in which order layers come.
 */
public final class LayerGroups {
  private static final Pattern SPECIAL = Pattern.compile("[\\\\.+*?()|\\[\\]{}^$]");

  private LayerGroups() {}

  /**
   * Parts the layers of a merge.
   *
   * @param merged the merged parameters
   * @param count how many groups, at least 2
   * @throws InvalidInput when there are fewer layers, or their names do not fit into patterns
   */
  public static ParameterGroups of(Collection<TensorInfo> merged, int count) {
    SortedMap<String, Long> layers = new TreeMap<>(Layers.ORDER);
    for (TensorInfo tensor : merged) {
      layers.merge(Layers.of(tensor.name()), tensor.elements(), Long::sum);
    }
    if (layers.size() < count) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "the merged parameters have %d layers, which do not make %d groups",
              layers.size(),
              count));
    }
    List<List<String>> parts = part(layers, count);
    List<Group> groups = new ArrayList<>();
    for (List<String> part : parts) {
      groups.add(new Group("layers-" + (groups.size() + 1), pattern(part)));
    }
    ParameterGroups all = ParameterGroups.of(groups);
    for (TensorInfo tensor : merged) {
      int group = all.indexOf(tensor.name());
      if (group < 0 || !parts.get(group).contains(Layers.of(tensor.name()))) {
        throw unsuited(
            "layer '" + Layers.of(tensor.name()) + "' has a name that others begin with");
      }
    }
    return all;
  }

  /** A layer ends its group where the elements so far come nearest to that group's end. */
  private static List<List<String>> part(SortedMap<String, Long> layers, int count) {
    long all = layers.values().stream().mapToLong(Long::longValue).sum();
    List<List<String>> parts = new ArrayList<>();
    List<String> part = new ArrayList<>();
    long sum = 0;
    int left = layers.size();
    for (var layer : layers.entrySet()) {
      double end = (double) all * (parts.size() + 1) / count;
      boolean isPast = sum + layer.getValue() / 2.0 > end;
      boolean mustEnd = left == count - parts.size() - 1;
      if (!part.isEmpty() && parts.size() < count - 1 && (isPast || mustEnd)) {
        parts.add(part);
        part = new ArrayList<>();
      }
      part.add(layer.getKey());
      sum += layer.getValue();
      left--;
    }
    parts.add(part);
    return parts;
  }

  private static String pattern(List<String> layers) {
    // model.layers.0, model.layers.1, …: the common beginning once
    SortedMap<String, List<String>> numbers = new TreeMap<>();
    List<String> others = new ArrayList<>();
    for (String layer : layers) {
      int dot = layer.lastIndexOf('.');
      if (layer.substring(dot + 1).matches("[0-9]+")) {
        numbers
            .computeIfAbsent(layer.substring(0, dot + 1), beginning -> new ArrayList<>())
            .add(layer.substring(dot + 1));
      } else {
        others.add(quoted(layer) + "(?:\\.[^.]*)?$");
      }
    }
    numbers.forEach(
        (beginning, all) ->
            others.add(
                quoted(beginning)
                    + all.stream().collect(Collectors.joining("|", "(?:", ")"))
                    + "(?:\\.|$)"));
    String pattern = String.join("|", others);
    if (pattern.length() > Limits.MAX_PATTERN_LENGTH) {
      throw unsuited(
          String.format(
              Locale.ROOT,
              "a group of %d layers has a pattern of %d characters, more than %d",
              layers.size(),
              pattern.length(),
              Limits.MAX_PATTERN_LENGTH));
    }
    return pattern;
  }

  private static String quoted(String name) {
    return SPECIAL.matcher(name).replaceAll("\\\\$0");
  }

  private static InvalidInput unsuited(String why) {
    return new InvalidInput(why + ": write the groups in the method yourself (groups)");
  }
}
