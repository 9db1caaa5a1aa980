package io.fisherstreams.cli;

import io.fisherstreams.coordinator.PoolModel;
import io.fisherstreams.coordinator.PoolReading;
import io.fisherstreams.coordinator.PoolStatus;
import io.fisherstreams.fisher.EpsilonShares;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.Role;
import io.fisherstreams.text.TextTable;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** The models and releases of a pool as {@code status} shows them. */
final class StatusTable {
  private static final int MAX_MISSING = 10;

  private final PoolStatus status;
  private final PoolReading reading;
  private final Map<ModelVersion, PlannedModel> merged = new HashMap<>();

  StatusTable(PoolReading reading) {
    this.status = reading.status();
    this.reading = reading;
    reading
        .newestRelease()
        .ifPresent(
            release ->
                release
                    .getPlan()
                    .getModels()
                    .forEach(
                        model ->
                            merged.put(
                                new ModelVersion(model.getModel(), model.getVersion()), model)));
  }

  /** A row for each version of each model. */
  TextTable models() {
    TextTable table = new TextTable();
    for (int column = 0; column < 11; column++) {
      table.left();
    }
    table.row(
        "MODEL",
        "VERSION",
        "ANNOUNCED",
        "LAMBDA",
        "SHARE",
        "NOT FISHER",
        "EXAMPLES",
        "PRESENT",
        "SEALED",
        "EPOCH",
        "STATE");
    status
        .view()
        .models()
        .forEach((name, versions) -> versions.values().forEach(model -> add(table, name, model)));
    return table;
  }

  private void add(TextTable table, String name, PoolModel model) {
    ModelManifest manifest = model.manifest();
    ModelVersion version = new ModelVersion(name, manifest.getVersion());
    table.row(
        name,
        manifest.getVersion(),
        announced(version),
        coefficient(manifest),
        share(version),
        merged.containsKey(version)
            ? EpsilonShares.percent(merged.get(version).getEpsilonShare())
            : "-",
        examples(manifest, version),
        model.present() + "/" + model.shards(),
        model.fisherShards() == 0 ? "-" : model.sealed() + "/" + model.fisherShards(),
        model.epoch().map(String::valueOf).orElse("-"),
        status.state(name, model));
    MergeMethods.coefficients(manifest).lineOfGroups().ifPresent(table::line);
    List<String> missing = model.missing();
    if (!missing.isEmpty()) {
      table.line(
          "    missing %s: %s%s"
              .formatted(
                  model.isPresent() ? "Fisher shards" : "checkpoint shards",
                  String.join(", ", missing.subList(0, Math.min(MAX_MISSING, missing.size()))),
                  missing.size() > MAX_MISSING ? ", ..." : ""));
    }
  }

  private String announced(ModelVersion version) {
    Instant at = reading.announced().get(version);
    return at == null ? "-" : at.truncatedTo(ChronoUnit.SECONDS).toString();
  }

  private String share(ModelVersion version) {
    return merged.containsKey(version)
        ? String.format(Locale.ROOT, "%.4f", merged.get(version).getShare())
        : "-";
  }

  private String coefficient(ModelManifest manifest) {
    if (manifest.getRole() == Role.BASE) {
      return "-";
    }
    String byDefault =
        status
            .view()
            .formula()
            .filter(formula -> !(formula instanceof FisherAverage))
            .map(formula -> Double.toString(formula.defaultCoefficient(1)))
            .orElse("1/n");
    return MergeMethods.coefficients(manifest).ownText(byDefault);
  }

  private String examples(ModelManifest manifest, ModelVersion version) {
    return manifest.getEstimation() == null
        ? "-"
        : String.format(
            Locale.ROOT,
            "%d/%d",
            reading.counted().getOrDefault(version, 0L),
            manifest.getExamples());
  }

  /** The aliases that point to a release, each behind a comma; empty when there is none. */
  String aliases(Release release) {
    return reading.aliases().values().stream()
        .filter(alias -> alias.getRelease() == release.getRelease())
        .map(StatusTable::text)
        .collect(Collectors.joining());
  }

  private static String text(Alias alias) {
    return ", " + alias.getAlias() + (alias.getHeld() ? " (held)" : "");
  }
}
