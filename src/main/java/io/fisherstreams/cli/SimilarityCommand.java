package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.output.TerminalProgress;
import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.files.WholeFile;
import io.fisherstreams.fisher.FisherProducts;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.merge.StoredFishers;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.NamedRelease;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.similarity.HeatMap;
import io.fisherstreams.similarity.Similarity;
import io.fisherstreams.similarity.SimilarityText;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "similarity",
    mixinStandardHelpOptions = true,
    description = {
      "Compares the Fishers of a release's models: the cosine between every two of them and each model's share of every layer.",
      "A cosine of 1 means proportional Fishers; 0 means that no entry matters to both models. A layer is the parameters"
          + " whose names are equal up to the first number (encoder.layers.3), or, without a number, up to the last dot."
    })
final class SimilarityCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Option(
      names = "--release",
      paramLabel = "N_OR_ALIAS",
      description =
          "The release's id, or an alias. Default: the newest complete one. The Fishers of an old release may be deleted already.")
  private String name;

  @Option(
      names = "--csv",
      paramLabel = "FILE",
      description = "Writes all values, for the whole model and for every layer, as CSV.")
  private Path csv;

  @Option(names = "--json", paramLabel = "FILE", description = "Writes all values as JSON.")
  private Path json;

  @Option(names = "--png", paramLabel = "FILE", description = "Writes a heat map.")
  private Path png;

  @Option(
      names = "--threads",
      converter = AtLeastOne.Int.class,
      paramLabel = "N",
      defaultValue = "2",
      description = "Partitions that are read in parallel. Default: ${DEFAULT-VALUE}.")
  private int threads;

  @Option(
      names = "--work-directory",
      paramLabel = "DIR",
      description =
          "Where the Fishers of one partition a thread are kept during the comparison. Default: the system's temporary folder.")
  private Path workDirectory;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    Release release = NamedRelease.find(name, new ReleaseReader(kafka, topics), kafka, topics);
    MergeFormula formula = MergeMethods.formula(release.getPlan().getMethod());
    if (!formula.readsFishers()) {
      throw new InvalidInput(
          "release %s is merged by %s, which reads no Fishers: there is nothing to compare"
              .formatted(Long.toString(release.getRelease()), formula.name()));
    }
    int partitions;
    try (Admin admin = kafka.admin()) {
      partitions = new PoolAdmin(admin, topics).check();
    }
    StoredFishers fishers = new StoredFishers(kafka, topics, partitions, release.getPlan());
    Similarity similarity;
    try (TemporaryDirectory directory = TemporaryDirectory.create(workDirectory);
        TerminalProgress progress = TerminalProgress.of(spec, "compare Fishers")) {
      progress.total(fishers.bytes());
      FisherProducts products = fishers.products(directory.path(), threads, progress::add);
      progress.done();
      similarity = Similarity.of(release.getPlan(), products);
    }
    write(similarity);
    spec.commandLine()
        .getOut()
        .printf(
            Locale.ROOT,
            "pool %s, release %d%n%n%s",
            topics.pool(),
            release.getRelease(),
            SimilarityText.tables(similarity));
    return 0;
  }

  private void write(Similarity similarity) {
    if (csv != null) {
      WholeFile.write(csv, SimilarityText.csv(similarity));
    }
    if (json != null) {
      WholeFile.write(json, SimilarityText.json(similarity));
    }
    if (png != null) {
      WholeFile.write(png, HeatMap.png(similarity));
    }
  }
}
