package io.fisherstreams.faults;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * Faults injected and guarantees held, in {@code target/faults-report.md}; one for a whole process,
 * whatever classes take part. Where tests run in several processes, each writes a file of its own.
 */
final class FaultReport {
  /** Hands the run's report to tests. */
  static final class Resolver implements ParameterResolver {
    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext extension) {
      return parameter.getParameter().getType() == FaultReport.class;
    }

    @Override
    public FaultReport resolveParameter(ParameterContext parameter, ExtensionContext extension) {
      return extension
          .getRoot()
          .getStore(Namespace.create(FaultReport.class))
          .getOrComputeIfAbsent(FaultReport.class, type -> new FaultReport(), FaultReport.class);
    }
  }

  private static final Path FILE =
      Path.of(System.getProperty("fisherstreams.faults.report", "target/faults-report.md"));

  private final List<String> runs = new ArrayList<>();
  private final Map<String, Integer> held = new TreeMap<>();

  private FaultReport() {}

  /**
   * Adds one run.
   *
   * @param fault what was done to the pool
   * @param guarantees how often each was asserted, all of which held
   */
  synchronized void add(
      String fault, int releases, long complete, Duration time, Map<String, Integer> guarantees) {
    runs.add(
        String.format(
            Locale.ROOT,
            "| %s | %d | %d | %.1f s | %d |",
            fault,
            releases,
            complete,
            time.toMillis() / 1e3,
            guarantees.values().stream().mapToInt(Integer::intValue).sum()));
    guarantees.forEach((name, times) -> held.merge(name, times, Integer::sum));
    write();
  }

  /** Adds a fault that could not be injected here. */
  synchronized void skipped(String fault, String why) {
    runs.add("| %s | skipped: %s | | | |".formatted(fault, why));
    write();
  }

  private void write() {
    List<String> lines = new ArrayList<>();
    lines.add("# Faults injected and guarantees held");
    lines.add("");
    lines.add("| fault | release ids | complete | time | assertions |");
    lines.add("|---|---|---|---|---|");
    lines.addAll(runs);
    lines.add("");
    lines.add("| guarantee | held |");
    lines.add("|---|---|");
    held.forEach(
        (name, times) -> lines.add(String.format(Locale.ROOT, "| %s | %d times |", name, times)));
    try {
      Files.createDirectories(FILE.getParent());
      Files.write(FILE, lines);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
