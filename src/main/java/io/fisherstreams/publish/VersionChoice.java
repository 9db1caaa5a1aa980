package io.fisherstreams.publish;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.ModelManifest;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;

/** Chooses the version under which a model is published. */
public final class VersionChoice {
  private VersionChoice() {}

  /**
   * The version of a manifest: the known one if nothing has changed, else the one that the user
   * asked for, else {@code now}, but always above the known one.
   *
   * @param known the manifest that the pool has of this model
   * @param next the manifest to publish; its version is ignored
   * @param asked the version that the user asked for
   * @param now milliseconds since 1970
   * @throws InvalidInput when content or settings have changed and the version asked for is not
   *     above the known one
   */
  public static long of(
      Optional<ModelManifest> known, ModelManifest next, OptionalLong asked, long now) {
    if (known.isEmpty()) {
      return asked.orElse(now);
    }
    long version = known.get().getVersion();
    if (ManifestRules.isSameContent(known.get(), next) && asked.orElse(version) == version) {
      return version;
    }
    if (asked.orElse(Long.MAX_VALUE) <= version) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s has version %d with other content or settings; --model-version must be higher, found %d",
              next.getModel(),
              version,
              asked.getAsLong()));
    }
    return asked.orElse(Math.max(now, version + 1));
  }
}
