package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongSupplier;

/**
 * The newest accepted manifest of each model, from the records of {@code models} in their order. A
 * reader applies the coordinator's rules itself, so that it need not wait for the coordinator.
 * Where it cannot know what the coordinator knows, the coordinator's {@link Correction} decides.
 */
public final class AcceptedManifests {
  // A reader's clock may differ from the coordinator's. A reader that rejects what the coordinator
  // accepted would lose shards, so a reader allows more.
  private static final int CLOCK_TOLERANCE = 10;

  private record Entry(ModelManifest manifest, long offset) {}

  private final SortedMap<String, Entry> entries = new TreeMap<>();
  private final LongSupplier now;

  /**
   * No manifest yet.
   *
   * @param now milliseconds since 1970
   */
  public AcceptedManifests(LongSupplier now) {
    this.now = now;
  }

  /**
   * Adds the next record.
   *
   * @param manifest null for a tombstone
   * @param corrected the offset that the record corrects
   * @return whether the record is accepted
   */
  public boolean add(String key, ModelManifest manifest, long offset, OptionalLong corrected) {
    Entry known = entries.get(key);
    if (corrected.isPresent()) {
      // A record that came after the rejected one may be accepted; the coordinator decides on it.
      if (known != null && known.offset > corrected.getAsLong()) {
        return false;
      }
      entries.put(key, new Entry(manifest, corrected.getAsLong()));
      return true;
    }
    if (manifest != null && !isAccepted(key, manifest, known)) {
      return false;
    }
    entries.put(key, new Entry(manifest, offset));
    return true;
  }

  private boolean isAccepted(String key, ModelManifest manifest, Entry entry) {
    try {
      AnnouncementRules.check(
          key,
          manifest,
          new AnnouncementRules.Accepted(
              entry == null ? null : entry.manifest,
              Long.MIN_VALUE,
              base().map(ModelManifest::getModel).orElse(null),
              entry != null && entry.manifest != null ? 0 : all().size()));
      ManifestRules.requireVersion(
          "version",
          manifest.getVersion(),
          now.getAsLong() + (CLOCK_TOLERANCE - 1) * ManifestRules.MAX_VERSION_AHEAD.toMillis());
      return true;
    } catch (RejectedRecord | InvalidInput e) {
      return false;
    }
  }

  /** A model's newest manifest; empty when the model is unknown or withdrawn. */
  public Optional<ModelManifest> find(String model) {
    return Optional.ofNullable(entries.get(model)).map(Entry::manifest);
  }

  /** The base model's manifest. */
  public Optional<ModelManifest> base() {
    return entries.values().stream()
        .map(Entry::manifest)
        .filter(manifest -> manifest != null && manifest.getRole() == Role.BASE)
        .findFirst();
  }

  /** All manifests by model. */
  public SortedMap<String, ModelManifest> all() {
    SortedMap<String, ModelManifest> all = new TreeMap<>();
    for (Map.Entry<String, Entry> entry : entries.entrySet()) {
      if (entry.getValue().manifest != null) {
        all.put(entry.getKey(), entry.getValue().manifest);
      }
    }
    return all;
  }
}
