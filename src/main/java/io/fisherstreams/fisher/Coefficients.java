package io.fisherstreams.fisher;

import io.fisherstreams.InvalidInput;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * λ of one model, as its user gives it.
 *
 * @param own in every parameter for which {@code ofGroups} says nothing; empty for the method's
 *     default
 * @param ofGroups in groups of parameters, by the groups' names
 */
public record Coefficients(OptionalDouble own, SortedMap<String, Double> ofGroups) {
  /** The method's default in every parameter. */
  public static final Coefficients DEFAULT =
      new Coefficients(OptionalDouble.empty(), Collections.emptySortedMap());

  /** Copies the map. */
  public Coefficients {
    ofGroups = Collections.unmodifiableSortedMap(new TreeMap<>(ofGroups));
  }

  /** The same λ in every parameter. */
  public static Coefficients of(double own) {
    return new Coefficients(OptionalDouble.of(own), Collections.emptySortedMap());
  }

  /** These with a λ where none is given. */
  public Coefficients orElse(double byDefault) {
    return new Coefficients(OptionalDouble.of(own.orElse(byDefault)), ofGroups);
  }

  /**
   * These with another λ in a group.
   *
   * @param value empty for the same as {@code own}
   */
  public Coefficients with(String group, OptionalDouble value) {
    SortedMap<String, Double> changed = new TreeMap<>(ofGroups);
    changed.remove(group);
    value.ifPresent(lambda -> changed.put(group, lambda));
    return new Coefficients(own, changed);
  }

  /**
   * All of them for people, such as {@code 0.5, early 0.2}.
   *
   * @param byDefault what stands for the method's default
   */
  public String text(String byDefault) {
    StringBuilder text =
        new StringBuilder(own.isPresent() ? Double.toString(own.getAsDouble()) : byDefault);
    ofGroups.forEach((group, lambda) -> text.append(", ").append(group).append(' ').append(lambda));
    return text.toString();
  }

  /** The same with at most six digits of each, the method's default filled in. */
  public String text() {
    StringBuilder text = new StringBuilder(digits(own.orElseThrow()));
    ofGroups.forEach(
        (group, lambda) -> text.append(", ").append(group).append(' ').append(digits(lambda)));
    return text.toString();
  }

  private static String digits(double lambda) {
    return String.format(Locale.ROOT, "%.6g", lambda);
  }

  /**
   * λ in each group, in the groups' order; empty when it is nowhere another than {@code own}.
   *
   * @param byDefault λ when the user gives none
   */
  public List<Double> inGroups(ParameterGroups groups, double byDefault) {
    double rest = own.orElse(byDefault);
    return ofGroups.isEmpty()
        ? List.of()
        : groups.names().stream().map(name -> ofGroups.getOrDefault(name, rest)).toList();
  }

  /**
   * Rejects, with {@link InvalidInput}, a λ in a group that a merge does not have.
   *
   * @param what names the coefficients in the message
   */
  public void requireGroups(String what, ParameterGroups groups) {
    for (String name : ofGroups.keySet()) {
      if (!groups.names().contains(name)) {
        throw new InvalidInput(
            "%s names the group '%s', expected %s"
                .formatted(
                    what,
                    name,
                    groups.isEmpty()
                        ? "none: the method has no groups"
                        : "one of " + groups.names()));
      }
    }
  }

  /** All λ that the user gives. */
  public List<Double> given() {
    List<Double> all = new ArrayList<>(ofGroups.values());
    own.ifPresent(all::add);
    return all;
  }
}
