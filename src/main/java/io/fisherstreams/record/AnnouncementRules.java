package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import java.util.Locale;

/**
 * Which manifest may follow those that a pool has accepted: one rule for the coordinator and for
 * all who read topic {@code models}. Pure.
 */
public final class AnnouncementRules {
  private AnnouncementRules() {}

  /**
   * What is accepted so far.
   *
   * @param newest of the model that is announced; null when the pool does not have it
   * @param retired the highest version of this model that was withdrawn or replaced; {@link
   *     Long#MIN_VALUE} when none was, or it is not known
   * @param base name of the pool's base model; null when there is none
   * @param models number of the pool's models
   */
  public record Accepted(ModelManifest newest, long retired, String base, int models) {}

  /**
   * Checks the next manifest.
   *
   * @param key the manifest's key in its topic
   * @throws RejectedRecord when the manifest makes no sense, or is stale, or has other content than
   *     an earlier one of its version, or another role than its model
   */
  public static void check(String key, ModelManifest manifest, Accepted accepted) {
    String model = manifest.getModel();
    if (!model.equals(key)) {
      throw new RejectedRecord(
          RejectionKind.KEY, "key is '" + key + "', the manifest names model '" + model + "'");
    }
    requireRole(manifest, accepted);
    try {
      ManifestRules.check(manifest);
    } catch (LimitExceeded e) {
      throw new RejectedRecord(RejectionKind.LIMIT, e.getMessage());
    } catch (InvalidInput e) {
      throw new RejectedRecord(RejectionKind.MANIFEST, e.getMessage());
    }
    requireSuccessor(manifest, accepted);
    if (accepted.newest == null && accepted.models >= Limits.MAX_MODELS) {
      throw new RejectedRecord(
          RejectionKind.LIMIT,
          String.format(
              Locale.ROOT,
              "the pool has %d models, at most %d are accepted; withdraw one first",
              accepted.models,
              Limits.MAX_MODELS));
    }
  }

  private static void requireRole(ModelManifest manifest, Accepted accepted) {
    boolean isBase = manifest.getRole() == Role.BASE;
    if (isBase && accepted.base != null && !accepted.base.equals(manifest.getModel())) {
      throw new RejectedRecord(
          RejectionKind.MANIFEST,
          "the pool's base model is " + accepted.base + "; withdraw it first");
    }
    if (!isBase && manifest.getModel().equals(accepted.base)) {
      throw new RejectedRecord(RejectionKind.MANIFEST, accepted.base + " is the pool's base model");
    }
    if (isBase && accepted.newest != null && accepted.newest.getRole() != Role.BASE) {
      throw new RejectedRecord(
          RejectionKind.MANIFEST,
          manifest.getModel() + " is a fine-tuned model of the pool; withdraw it first");
    }
  }

  private static void requireSuccessor(ModelManifest manifest, Accepted accepted) {
    long version = manifest.getVersion();
    ModelManifest newest = accepted.newest;
    if (version <= accepted.retired || (newest != null && version < newest.getVersion())) {
      throw new RejectedRecord(
          RejectionKind.STALE,
          manifest.getModel()
              + "@"
              + version
              + " is stale: the model has had version "
              + (newest == null ? accepted.retired : newest.getVersion()));
    }
    if (newest != null
        && version == newest.getVersion()
        && !ManifestRules.isSameContent(newest, manifest)) {
      throw new RejectedRecord(
          RejectionKind.OTHER_CONTENT,
          manifest.getModel()
              + "@"
              + version
              + " was announced before with other content; use a higher version");
    }
  }
}
