package io.fisherstreams.coordinator;

import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PartitionProgress;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The manifests of every version that is not retired and the partitions' reports on those versions,
 * in two state stores. Manifests are stored under {@code model@version}, reports under {@code
 * model@version/partition/epoch/part}.
 */
final class PoolStore {
  private final KeyValueStore<String, ModelManifest> manifests;
  private final KeyValueStore<String, PartitionProgress> reports;

  PoolStore(
      KeyValueStore<String, ModelManifest> manifests,
      KeyValueStore<String, PartitionProgress> reports) {
    this.manifests = manifests;
    this.reports = reports;
  }

  /** All manifests, lower versions first. */
  List<ModelManifest> manifests() {
    List<ModelManifest> all = new ArrayList<>();
    try (KeyValueIterator<String, ModelManifest> stored = manifests.all()) {
      stored.forEachRemaining(entry -> all.add(entry.value));
    }
    all.sort(Comparator.comparing(ModelManifest::getVersion));
    return all;
  }

  /** All reports, lower epochs first, the parts of each in their order. */
  List<PartitionProgress> reports() {
    return byEpoch(reports.all());
  }

  /** The reports on one version, in the same order. */
  List<PartitionProgress> reports(ModelManifest manifest) {
    String id = id(manifest);
    return byEpoch(reports.range(id + "/", id + "0")); // '/' + 1
  }

  private static List<PartitionProgress> byEpoch(
      KeyValueIterator<String, PartitionProgress> found) {
    List<PartitionProgress> sorted = new ArrayList<>();
    try (found) {
      found.forEachRemaining(entry -> sorted.add(entry.value));
    }
    sorted.sort(Comparator.comparing(report -> ((ModelProgress) report.getBody()).getEpoch()));
    return sorted;
  }

  /** Stores a manifest; true when its version had none. */
  boolean put(ModelManifest manifest) {
    boolean isNew = manifests.get(id(manifest)) == null;
    manifests.put(id(manifest), manifest);
    return isNew;
  }

  /**
   * Stores a part of a partition's report on a version. The first part deletes the earlier report
   * on its epoch, and those on later epochs: an epoch below an earlier report's means that the
   * partition has lost a payload, and the later epochs with it.
   */
  void put(PartitionProgress report) {
    ModelProgress body = (ModelProgress) report.getBody();
    String key = body.getModel() + "@" + body.getVersion() + "/" + report.getPartition();
    String epoch = epochKey(key, body.getEpoch());
    if (body.getPart() == 0) {
      deleteReports(epoch, key + "0"); // '/' + 1
    }
    reports.put(String.format(Locale.ROOT, "%s/%010d", epoch, body.getPart()), report);
  }

  /** Deletes the reports on a version's epochs before one that a plan uses. */
  void deleteEpochsBefore(String model, long version, int epoch, int partitions) {
    for (int partition = 0; partition < partitions; partition++) {
      String key = model + "@" + version + "/" + partition;
      deleteReports(key + "/", epochKey(key, epoch));
    }
  }

  /** Deletes the manifests of a model's versions up to one, and the reports on them. */
  void delete(String model, long throughVersion) {
    List<String> gone = new ArrayList<>();
    try (KeyValueIterator<String, ModelManifest> stored =
        manifests.range(model + "@", model + "A")) { // '@' + 1
      while (stored.hasNext()) {
        KeyValue<String, ModelManifest> entry = stored.next();
        if (entry.value.getModel().equals(model) && entry.value.getVersion() <= throughVersion) {
          gone.add(entry.key);
        }
      }
    }
    for (String id : gone) {
      manifests.delete(id);
      deleteReports(id + "/", id + "0"); // '/' + 1
    }
  }

  private void deleteReports(String from, String to) {
    List<String> keys = new ArrayList<>();
    try (KeyValueIterator<String, PartitionProgress> found = reports.range(from, to)) {
      found.forEachRemaining(entry -> keys.add(entry.key));
    }
    keys.forEach(reports::delete);
  }

  /** Epochs of ten digits: their keys sort as numbers do. */
  private static String epochKey(String key, int epoch) {
    return String.format(Locale.ROOT, "%s/%010d", key, epoch);
  }

  private static String id(ModelManifest manifest) {
    return manifest.getModel() + "@" + manifest.getVersion();
  }
}
