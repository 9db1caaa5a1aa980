package io.fisherstreams.fisher;

import java.util.Collections;
import java.util.List;
import java.util.OptionalDouble;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Scalar products of several models' Fishers, pair by pair and layer by layer, summed in float64
 * over one run of entries after another. The Fishers themselves are not kept. Not thread-safe.
 */
public final class FisherProducts {
  private final int models;
  private final int groups;
  // of each layer the parts that belong to each group, and last to none
  private final SortedMap<String, List<Sums>> layers = new TreeMap<>(Layers.ORDER);

  /** Products of this many models without groups, over no entries yet. */
  public FisherProducts(int models) {
    this(models, 0);
  }

  /**
   * Products of this many models, over no entries yet.
   *
   * @param groups how many {@link ParameterGroups} there are
   */
  public FisherProducts(int models, int groups) {
    this.models = models;
    this.groups = groups;
  }

  private List<Sums> empty() {
    return Stream.generate(() -> new Sums(models)).limit(groups + 1).toList();
  }

  /** The sums over the entries of one layer, or of several together. */
  public static final class Sums {
    private final double[] totals;
    // ⟨F_i, F_k⟩ for k ≤ i, row by row
    private final double[] products;
    private final long[] own;
    private long entries;

    private Sums(int models) {
      totals = new double[models];
      products = new double[models * (models + 1) / 2];
      own = new long[models];
    }

    private static int index(int model, int other) {
      int row = Math.max(model, other);
      return row * (row + 1) / 2 + Math.min(model, other);
    }

    private void add(float[][] payloads, double[] divisors, int count) {
      for (int model = 0; model < totals.length; model++) {
        float[] payload = payloads[model];
        if (payload == null) {
          continue;
        }
        own[model] += count;
        double sum = 0;
        for (int j = 0; j < count; j++) {
          sum += payload[j];
        }
        totals[model] += sum / divisors[model];
        for (int other = 0; other <= model; other++) {
          if (payloads[other] == null) {
            continue;
          }
          products[index(model, other)] +=
              product(payload, payloads[other], count) / divisors[model] / divisors[other];
        }
      }
      entries += count;
    }

    /** Uses four separate sums: with one, each addition would wait for the one before. */
    private static double product(float[] left, float[] right, int count) {
      double first = 0;
      double second = 0;
      double third = 0;
      double fourth = 0;
      int j = 0;
      for (; j < count - 3; j += 4) {
        first += (double) left[j] * right[j];
        second += (double) left[j + 1] * right[j + 1];
        third += (double) left[j + 2] * right[j + 2];
        fourth += (double) left[j + 3] * right[j + 3];
      }
      for (; j < count; j++) {
        first += (double) left[j] * right[j];
      }
      return first + second + (third + fourth);
    }

    private void add(Sums other) {
      for (int i = 0; i < totals.length; i++) {
        totals[i] += other.totals[i];
      }
      for (int i = 0; i < products.length; i++) {
        products[i] += other.products[i];
      }
      for (int i = 0; i < own.length; i++) {
        own[i] += other.own[i];
      }
      entries += other.entries;
    }

    /** Number of entries. */
    public long entries() {
      return entries;
    }

    /** Number of entries that a model changes. */
    public long entries(int model) {
      return own[model];
    }

    /** {@code Σ_j F[j]} of a model. */
    public double total(int model) {
      return totals[model];
    }

    /** {@code √Σ_j F[j]²} of a model. */
    public double norm(int model) {
      return Math.sqrt(products[index(model, model)]);
    }

    /**
     * The cosine between two models' Fishers: 0 when no entry matters to both, 1 when they are
     * proportional, undefined when one of them is 0 everywhere.
     */
    public OptionalDouble cosine(int model, int other) {
      double norms = norm(model) * norm(other);
      if (norms == 0) {
        return OptionalDouble.empty();
      }
      return OptionalDouble.of(
          model == other ? 1 : Math.min(1, products[index(model, other)] / norms));
    }
  }

  /**
   * Adds a run of entries of one layer.
   *
   * @param group of the entries, an index of {@link ParameterGroups} or {@link
   *     ParameterGroups#NO_GROUP}
   * @param payloads by model: the entries, of which the first {@code count} are used; null for a
   *     model that leaves them as the base has them, which is a Fisher of 0
   * @param divisors by model: the Fisher is the payload divided by this
   */
  public void add(String layer, int group, float[][] payloads, double[] divisors, int count) {
    layers
        .computeIfAbsent(layer, name -> empty())
        .get(group == ParameterGroups.NO_GROUP ? groups : group)
        .add(payloads, divisors, count);
  }

  /** Adds the sums over other entries of the same models. */
  public void add(FisherProducts other) {
    other.layers.forEach(
        (layer, parts) -> {
          List<Sums> own = layers.computeIfAbsent(layer, name -> empty());
          for (int i = 0; i < parts.size(); i++) {
            own.get(i).add(parts.get(i));
          }
        });
  }

  /** By layer, in the layers' natural order. */
  public SortedMap<String, Sums> layers() {
    SortedMap<String, Sums> all = new TreeMap<>(Layers.ORDER);
    layers.forEach((layer, parts) -> all.put(layer, together(parts)));
    return Collections.unmodifiableSortedMap(all);
  }

  /** The parts of a layer: of each group in their order, and last of none. */
  public List<Sums> parts(String layer) {
    return layers.get(layer);
  }

  /** The parts of all layers together. */
  public List<Sums> parts() {
    List<Sums> all = empty();
    for (List<Sums> parts : layers.values()) {
      for (int i = 0; i < parts.size(); i++) {
        all.get(i).add(parts.get(i));
      }
    }
    return all;
  }

  /** All layers together. */
  public Sums whole() {
    return together(layers.values().stream().map(this::together).toList());
  }

  private Sums together(List<Sums> parts) {
    Sums sums = new Sums(models);
    parts.forEach(sums::add);
    return sums;
  }
}
