package io.fisherstreams.fisher;

import io.fisherstreams.fisher.MergeFormula.Factors;
import io.fisherstreams.fisher.MergeFormula.Mass;
import io.fisherstreams.fisher.MergeFormula.Model;
import java.util.List;

/**
 * A model of a merge whose λ may differ from group to group of parameters.
 *
 * @param whole its sums over all merged entries, by which its Fisher is measured in every group,
 *     and its λ outside the groups
 * @param inGroups λ in each group; empty when it is the same in all of them
 * @param parts its sums over the entries of each group, and last over those of no group; without
 *     {@code inGroups} one part of all entries
 */
public record GroupedModel(Model whole, List<Double> inGroups, List<Part> parts) {
  /** Rejects parts that do not belong to the groups. */
  public GroupedModel {
    if (parts.size() != inGroups.size() + 1) {
      throw new IllegalArgumentException(parts.size() + " parts for " + inGroups.size());
    }
  }

  /**
   * Entries with one λ.
   *
   * @param total ΣF over these entries
   * @param entries how many there are
   */
  public record Part(double total, long entries) {}

  /** A model with one λ. */
  public static GroupedModel of(Model whole) {
    return new GroupedModel(whole, List.of(), List.of(new Part(whole.total(), whole.entries())));
  }

  /** The sum of the model's weights over all its parts. */
  public Mass mass(MergeFormula formula) {
    double fisher = 0;
    double constant = 0;
    for (int i = 0; i < parts.size(); i++) {
      Factors factors = formula.factors(whole.withCoefficient(coefficient(i)));
      Mass mass = formula.mass(factors, parts.get(i).total, parts.get(i).entries);
      fisher += mass.fisher();
      constant += mass.constant();
    }
    return new Mass(fisher, constant);
  }

  private double coefficient(int part) {
    return part < inGroups.size() ? inGroups.get(part) : whole.coefficient();
  }

  /** Whether the model has a weight in some entry. */
  public boolean isWeighted(MergeFormula formula) {
    for (int i = 0; i < parts.size(); i++) {
      if (parts.get(i).entries > 0
          && formula.factors(whole.withCoefficient(coefficient(i))).weight() != 0) {
        return true;
      }
    }
    return false;
  }

  /** Whether some λ is above 0. */
  boolean hasCoefficient() {
    return whole.coefficient() > 0 || inGroups.stream().anyMatch(lambda -> lambda > 0);
  }
}
