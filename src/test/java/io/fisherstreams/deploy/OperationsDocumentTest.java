package io.fisherstreams.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Runbook;
import io.fisherstreams.tensor.Shard;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The arithmetic of {@code docs/operations.md} and the reasons that its runbook names. */
class OperationsDocumentTest {
  private static final long CHECKPOINT_BYTES = 2;
  private static final long FISHER_BYTES = 4;
  private static final long SUMS_BYTES =
      new BinnedMerge(FisherAverage.of(ManifestRules.DEFAULT_MINIMAL_FISHER_WEIGHT, true)).bytes();
  private static final long REPLICATION = 3;
  private static final long KEPT_RELEASES = 10;
  private static final double MAX_PER_PARTITION = 64e9;

  private String document;

  @BeforeEach
  void read() throws IOException {
    document = Files.readString(Path.of("docs/operations.md"));
  }

  @Test
  void sizesFollowFromTheFormulas() {
    Matcher rows =
        Pattern.compile("(?m)^\\| ([0-9,]+) \\| ([0-9.]+) B \\| (\\d+) \\|.*$").matcher(document);
    int count = 0;
    while (rows.find()) {
      long models = Long.parseLong(rows.group(1).replace(",", ""));
      double parameters = Double.parseDouble(rows.group(2)) * 1e9;
      long tensors = Long.parseLong(rows.group(3));
      String begin =
          String.format(Locale.ROOT, "| %s | %s B | %d | ", rows.group(1), rows.group(2), tensors);
      assertThat(rows.group()).isEqualTo(begin + sizes(models, parameters, tensors));
      count++;
    }
    assertThat(count).isGreaterThanOrEqualTo(8);
  }

  private static String sizes(long models, double parameters, long tensors) {
    long shards = (long) Math.ceil(parameters / Shard.ELEMENTS);
    double payload =
        models * parameters * (CHECKPOINT_BYTES + FISHER_BYTES) + parameters * CHECKPOINT_BYTES;
    long partitions = 4;
    while (partitions < 256 && payload / partitions > MAX_PER_PARTITION) {
      partitions *= 2;
    }
    double sums = parameters * SUMS_BYTES;
    double base = parameters * CHECKPOINT_BYTES;
    double model = parameters * (CHECKPOINT_BYTES + FISHER_BYTES);
    boolean hasSums = models >= BinnedMerge.MIN_MODELS;
    double disk = REPLICATION * (payload + (KEPT_RELEASES + 1) * parameters * CHECKPOINT_BYTES);
    return String.format(
        Locale.ROOT,
        "%,d | %d | %s | %s | %s | %s | %s | %s | %s | %s |",
        shards,
        partitions,
        bytes(payload),
        bytes(payload / partitions),
        hasSums ? bytes(sums) : "none",
        bytes(hasSums ? base + sums + 2 * model : payload),
        bytes(disk),
        bytes(models * shards * 250.0),
        bytes(models * partitions * tensors * 56.0),
        bytes(parameters * (CHECKPOINT_BYTES + FISHER_BYTES + CHECKPOINT_BYTES)));
  }

  private static String bytes(double bytes) {
    String[] units = {"TB", "GB", "MB"};
    double size = 1e12;
    for (String unit : units) {
      if (bytes >= size) {
        return String.format(Locale.ROOT, "%.1f %s", bytes / size, unit);
      }
      size /= 1e3;
    }
    return String.format(Locale.ROOT, "%.1f kB", bytes / 1e3);
  }

  @Test
  void everyReasonOfTheRunbookIsOneThatTheStagesGive() throws IOException {
    StringBuilder sources = new StringBuilder();
    try (Stream<Path> files = Files.walk(Path.of("src/main/java"))) {
      for (Path file : files.filter(path -> path.toString().endsWith(".java")).toList()) {
        // a message that the formatter has broken over lines is one again
        sources.append(Files.readString(file).replaceAll("\"\\s*\\+ \"", ""));
      }
    }
    List<String> reasons = Runbook.rows().stream().map(Runbook.Row::part).toList();
    assertThat(reasons).hasSizeGreaterThan(30).allMatch(reason -> sources.indexOf(reason) >= 0);
  }

  /** {@link Runbook#checkedReason} compares the kinds with those of the tests' dead letters. */
  @Test
  void theRunbookHasARowForEveryKindThatAStageGives() {
    assertThat(Runbook.rows().stream().map(Runbook.Row::kind))
        .containsAll(
            Stream.of(RejectionKind.values())
                .filter(kind -> kind != RejectionKind.OTHER)
                .map(RejectionKind::text)
                .toList())
        .isSubsetOf(Stream.of(RejectionKind.values()).map(RejectionKind::text).toList())
        .doesNotContain(RejectionKind.OTHER.text());
  }
}
