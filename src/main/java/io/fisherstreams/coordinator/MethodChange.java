package io.fisherstreams.coordinator;

import io.fisherstreams.fisher.Shares;
import io.fisherstreams.record.ModelManifest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What another method would do to a pool.
 *
 * @param lost the models that could be merged before and could not be then, with the reason
 * @param warnings what the user should know of the weights
 */
public record MethodChange(SortedMap<String, String> lost, List<String> warnings) {
  /**
   * Tries a method on a pool.
   *
   * @param view the pool, which is changed
   * @param base the base model's manifest with the other method
   */
  public static MethodChange of(PoolView view, ModelManifest base) {
    return of(view, List.of(base));
  }

  /**
   * Tries a method and coefficients on a pool.
   *
   * @param view the pool, which is changed
   * @param manifests that would be announced
   */
  public static MethodChange of(PoolView view, List<ModelManifest> manifests) {
    SortedSet<String> merged = new TreeSet<>();
    view.propose().ifPresent(before -> merged.addAll(before.versions().keySet()));
    manifests.forEach(manifest -> view.announce(manifest.getModel(), manifest));
    Optional<Proposal> after = view.propose();
    after.ifPresent(proposal -> merged.removeAll(proposal.versions().keySet()));
    SortedMap<String, String> rejections = view.rejections();
    SortedMap<String, String> lost = new TreeMap<>();
    for (String model : merged) {
      lost.put(model, rejections.getOrDefault(model, "it has no Fisher, which the method needs"));
    }
    List<String> warnings = new ArrayList<>();
    after.ifPresent(
        proposal -> {
          proposal.takeovers().stream().map(Shares.Takeover::message).forEach(warnings::add);
          proposal.epsilonWarning().ifPresent(warnings::add);
        });
    return new MethodChange(
        Collections.unmodifiableSortedMap(lost), Collections.unmodifiableList(warnings));
  }
}
