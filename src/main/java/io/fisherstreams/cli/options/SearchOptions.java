package io.fisherstreams.cli.options;

import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.search.Measure;
import io.fisherstreams.tuning.Searched;
import io.fisherstreams.tuning.TuningOptions;
import io.fisherstreams.tuning.TuningOptions.Strategy;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** How settings are searched; a mixin. */
public final class SearchOptions {
  @Option(
      names = "--search",
      paramLabel = "KEY",
      split = ",",
      converter = EnumName.OfSearched.class,
      description =
          "What is searched: coefficient, scale, prior, relative_fisher_weight. Default: all of them that the method has.")
  private List<Searched> searched = List.of();

  @Option(
      names = "--groups",
      paramLabel = "N",
      description =
          "Parts the layers, in the order of their names, into N groups of about as many elements, 2 to 8, and searches a coefficient of each model in each group. Without it, the groups of the merge's method are searched, if it has any.")
  private Integer groups;

  @Option(
      names = "--strategy",
      paramLabel = "NAME",
      converter = EnumName.OfStrategy.class,
      description =
          "coordinate changes one setting at a time and goes on from the best; random draws all settings. Default: coordinate.")
  private Strategy strategy = Strategy.COORDINATE;

  @Option(
      names = "--trials",
      paramLabel = "N",
      converter = AtLeastOne.Int.class,
      description = "How many settings are tried at most. Default: 100; with --minutes no limit.")
  private Integer trials;

  @Option(
      names = "--minutes",
      paramLabel = "N",
      description = "No trial begins after so many minutes.")
  private Double minutes;

  @Option(
      names = "--measure",
      paramLabel = "NAME",
      converter = EnumName.OfMeasure.class,
      description =
          "What the search makes large: mean-accuracy or worst-accuracy of the tasks, mean-log-likelihood or worst-log-likelihood, which are smoother. Default: mean-accuracy.")
  private Measure measure = Measure.MEAN_ACCURACY;

  @Option(
      names = "--held-out",
      paramLabel = "PART",
      description =
          "Part of each task's examples on which only the result is measured, between 0 and 1. Default: 0.5.")
  private double heldOut = 0.5;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of the search and of the split of the examples. Default: 0.")
  private long seed;

  @Option(
      names = "--batch-size",
      converter = AtLeastOne.Int.class,
      paramLabel = "N",
      description = "Examples that go through the model together. Default: 32.")
  private int batchSize = 32;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  /** The options; values out of range are wrong usage. */
  public TuningOptions options() {
    if (!(heldOut > 0 && heldOut < 1)) {
      throw wrong("--held-out is " + heldOut + ", expected a number above 0 and below 1");
    }
    if (minutes != null && !(minutes > 0 && minutes <= Integer.MAX_VALUE)) {
      throw wrong("--minutes is " + minutes + ", expected a number above 0");
    }
    Set<Searched> kinds = EnumSet.noneOf(Searched.class);
    kinds.addAll(searched);
    int most = trials != null ? trials : minutes != null ? Integer.MAX_VALUE : 100;
    return new TuningOptions(
        measure,
        strategy,
        kinds,
        most,
        Optional.ofNullable(minutes).map(time -> Duration.ofMillis((long) (time * 60_000))),
        heldOut,
        seed,
        batchSize);
  }

  /** Into how many groups the layers are parted, if they are. */
  public OptionalInt groups() {
    if (groups == null) {
      return OptionalInt.empty();
    }
    if (groups < 2 || groups > ParameterGroups.MAX_GROUPS) {
      throw wrong("--groups is " + groups + ", expected 2 to " + ParameterGroups.MAX_GROUPS);
    }
    return OptionalInt.of(groups);
  }

  private ParameterException wrong(String message) {
    return new ParameterException(spec.commandLine(), message);
  }
}
