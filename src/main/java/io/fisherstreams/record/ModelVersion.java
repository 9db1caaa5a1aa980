package io.fisherstreams.record;

/**
 * One version of a model.
 *
 * @param model the model's name
 * @param version its version
 */
public record ModelVersion(String model, long version) {
  /** {@code model@version}. */
  @Override
  public String toString() {
    return model + "@" + version;
  }
}
