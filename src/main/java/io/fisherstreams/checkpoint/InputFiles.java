package io.fisherstreams.checkpoint;

import io.fisherstreams.InvalidInput;
import java.nio.file.Path;
import java.util.Collection;

/** The files that something is made from. */
public final class InputFiles {
  private InputFiles() {}

  /**
   * An output may replace an earlier output, never what it is made from.
   *
   * @param name what the user calls the output
   * @throws InvalidInput when the output is one of the inputs
   */
  public static void requireOther(String name, Path output, Collection<Path> inputs) {
    Path target = output.toAbsolutePath().normalize();
    if (inputs.stream().anyMatch(input -> input.toAbsolutePath().normalize().equals(target))) {
      throw new InvalidInput("%s %s is one of the inputs; name another".formatted(name, output));
    }
  }
}
