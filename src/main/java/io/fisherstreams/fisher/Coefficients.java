package io.fisherstreams.fisher;

import com.google.common.collect.Iterables;
import io.fisherstreams.InvalidInput;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.DoubleFunction;

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
    return String.join(
        ", ", Iterables.concat(List.of(ownText(byDefault)), textOfGroups(Double::toString)));
  }

  /**
   * {@code own} for people.
   *
   * @param byDefault what stands for the method's default
   */
  public String ownText(String byDefault) {
    return own.isPresent() ? Double.toString(own.getAsDouble()) : byDefault;
  }

  /** The same with at most six digits of each, the method's default filled in. */
  public String text() {
    return String.join(
        ", ", Iterables.concat(List.of(ownText()), textOfGroups(Coefficients::digits)));
  }

  /** {@code own} with at most six digits. */
  public String ownText() {
    return digits(own.orElseThrow());
  }

  /**
   * A line of a table below a model's row, such as {@code λ in early 0.2}; empty without groups. In
   * a cell, eight groups would make every row too wide to read.
   */
  public Optional<String> lineOfGroups() {
    return ofGroups.isEmpty()
        ? Optional.empty()
        : Optional.of("    λ in " + String.join(", ", textOfGroups(Double::toString)));
  }

  private List<String> textOfGroups(DoubleFunction<String> number) {
    return ofGroups.entrySet().stream()
        .map(group -> group.getKey() + " " + number.apply(group.getValue()))
        .toList();
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
