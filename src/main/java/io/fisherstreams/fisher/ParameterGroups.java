package io.fisherstreams.fisher;

import io.fisherstreams.InvalidInput;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * Groups of parameters, such as the first and the last layers, in which a model may have a λ of its
 * own. A parameter belongs to the first group whose pattern {@linkplain NamePatterns matches} at
 * the start of its name, and to none if no pattern does. Immutable.
 */
public final class ParameterGroups {
  /** The most groups of a merge: a plan lists λ of each for every model, and must fit a record. */
  public static final int MAX_GROUPS = 8;

  /** The index of the parameters that belong to no group. */
  public static final int NO_GROUP = -1;

  /** No groups: every parameter belongs to none. */
  public static final ParameterGroups NONE = new ParameterGroups(List.of());

  private static final java.util.regex.Pattern NAME =
      java.util.regex.Pattern.compile("[A-Za-z0-9._-]{1,64}");

  private final List<Group> groups;
  private final List<NamePatterns> patterns;

  /**
   * A group.
   *
   * @param name 1 to 64 letters, digits, dots, hyphens or underscores
   * @param pattern in RE2's syntax, matched at the start of a parameter's name
   */
  public record Group(String name, String pattern) {}

  private ParameterGroups(List<Group> groups) {
    this.groups = List.copyOf(groups);
    patterns =
        this.groups.stream()
            .map(
                group ->
                    NamePatterns.of(
                        "pattern of group '" + group.name + "'", List.of(group.pattern)))
            .toList();
  }

  /**
   * Groups in the order in which a parameter's is looked for.
   *
   * @throws InvalidInput when there are too many, two have one name, or a name or a pattern cannot
   *     be used
   */
  public static ParameterGroups of(List<Group> groups) {
    if (groups.size() > MAX_GROUPS) {
      throw new InvalidInput(
          "groups has %s groups, expected at most %s".formatted(groups.size(), MAX_GROUPS));
    }
    Set<String> names = new HashSet<>();
    for (Group group : groups) {
      requireName(group.name);
      if (!names.add(group.name)) {
        throw new InvalidInput("two groups are named '%s'".formatted(group.name));
      }
    }
    return groups.isEmpty() ? NONE : new ParameterGroups(groups);
  }

  /**
   * Rejects a group's name that is empty, long or has other characters with {@link InvalidInput}.
   */
  public static void requireName(String name) {
    if (!NAME.matcher(name).matches()) {
      throw new InvalidInput(
          "group '%s': expected a name of 1 to 64 letters, digits, dots, hyphens or underscores"
              .formatted(name.length() > 100 ? name.substring(0, 100) + " …" : name));
    }
  }

  /** The groups in their order. */
  public List<Group> all() {
    return groups;
  }

  /** Their names in their order. */
  public List<String> names() {
    return groups.stream().map(Group::name).toList();
  }

  /** Whether there is no group. */
  public boolean isEmpty() {
    return groups.isEmpty();
  }

  /** The index of a parameter's group, {@link #NO_GROUP} if it belongs to none. */
  public int indexOf(String parameter) {
    for (int i = 0; i < patterns.size(); i++) {
      if (patterns.get(i).match(parameter)) {
        return i;
      }
    }
    return NO_GROUP;
  }

  /** {@link #indexOf} of many parameters, by their names; without those that belong to no group. */
  public Map<String, Integer> indexes(Collection<String> parameters) {
    Map<String, Integer> indexes = new HashMap<>();
    for (String parameter : parameters) {
      int index = indexOf(parameter);
      if (index != NO_GROUP) {
        indexes.put(parameter, index);
      }
    }
    return indexes;
  }

  /**
   * Parts parameters by their groups.
   *
   * @return a list for each group in their order, and last one of those that belong to none
   */
  public <T> List<List<T>> part(Collection<T> parameters, Function<T, String> name) {
    List<List<T>> parts = new ArrayList<>();
    for (int i = 0; i <= groups.size(); i++) {
      parts.add(new ArrayList<>());
    }
    for (T parameter : parameters) {
      int index = indexOf(name.apply(parameter));
      parts.get(index == NO_GROUP ? groups.size() : index).add(parameter);
    }
    return parts;
  }

  /**
   * Rejects, with {@link InvalidInput}, a group that none of these parameters belongs to.
   *
   * @param parameters names of the merged parameters
   */
  public void requireMembers(Collection<String> parameters) {
    Set<Integer> found = new HashSet<>(indexes(parameters).values());
    for (int i = 0; i < groups.size(); i++) {
      if (!found.contains(i)) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "group '%s' has no parameter: its pattern '%s' matches none of the %d merged parameters that is in no group before it",
                groups.get(i).name,
                groups.get(i).pattern,
                parameters.size()));
      }
    }
  }

  /** How much work it is at most to match these names; {@link NamePatterns#work}. */
  public long work(Collection<String> names) {
    return patterns.stream().mapToLong(pattern -> pattern.work(names)).sum();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ParameterGroups that && groups.equals(that.groups);
  }

  @Override
  public int hashCode() {
    return groups.hashCode();
  }

  @Override
  public String toString() {
    return groups.toString();
  }
}
