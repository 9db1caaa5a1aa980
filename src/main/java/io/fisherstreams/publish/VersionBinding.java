package io.fisherstreams.publish;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import java.util.Collection;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Predicate;

/**
 * Says which version of a model a Fisher, gradients or examples were made for. Two publishers of
 * one model must not mix one's checkpoint with the other's Fisher.
 *
 * @param version the version that the user named
 * @param isCheckpoint whether a manifest announces the checkpoint that the user named; empty when
 *     the user named none
 * @param checkpointSha256 the checkpoint's hash by the Fisher file's own provenance
 */
public record VersionBinding(
    OptionalLong version,
    Optional<Predicate<ModelManifest>> isCheckpoint,
    Optional<String> checkpointSha256) {

  /**
   * Rejects data that may belong to another version than the model's newest.
   *
   * @param newest the model's newest manifest
   * @param earlier the model's lower versions that still await a Fisher
   * @throws InvalidInput with the versions and the option that decides
   */
  public void require(ModelManifest newest, Collection<Long> earlier) {
    ModelVersion current = new ModelVersion(newest.getModel(), newest.getVersion());
    if (version.isPresent() && version.getAsLong() != current.version()) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "--model-version is %d, but the newest version of %s is %d",
              version.getAsLong(),
              current.model(),
              current.version()));
    }
    if (isCheckpoint.isPresent() && !isCheckpoint.get().test(newest)) {
      throw new InvalidInput(
          "--checkpoint has other content than %s, the newest version; publish the checkpoint first"
              .formatted(current));
    }
    if (version.isPresent() || isCheckpoint.isPresent()) {
      return;
    }
    String published = newest.getCheckpointSha256();
    if (checkpointSha256.isPresent() && published != null) {
      if (!checkpointSha256.get().equals(published)) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "the file was made for another checkpoint than that of %s: its checkpoint_sha256 is %s, the published one is %s; --checkpoint FILE compares the tensors instead, --model-version %d sends it in any case",
                current,
                checkpointSha256.get(),
                published,
                current.version()));
      }
      return;
    }
    if (!earlier.isEmpty()) {
      throw new InvalidInput(
          "%s is the newest version, but version %s still awaits its Fisher: name the version that this file was made for, with --checkpoint FILE or --model-version N"
              .formatted(
                  current,
                  String.join(", ", earlier.stream().sorted().map(String::valueOf).toList())));
    }
  }
}
