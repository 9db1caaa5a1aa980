package io.fisherstreams.gradient.device;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A build of PyTorch.
 *
 * @param version such as 2.7.1
 * @param flavor what it was built for: cpu, or the version of CUDA, such as cu128
 */
record TorchBuild(String version, String flavor) {
  private static final Pattern BUILD = Pattern.compile("(\\d+\\.\\d+\\.\\d+)\\+([a-z0-9.]+)");

  /**
   * The build in a folder of libraries: {@code torch/lib} of a Python installation, or {@code lib}
   * of an unpacked libtorch.
   *
   * @return empty when the folder has no libtorch, or nothing says which
   */
  static Optional<TorchBuild> in(Path libraries) {
    if (!Files.isRegularFile(libraries.resolve("libtorch.so"))) {
      return Optional.empty();
    }
    Path parent = libraries.toAbsolutePath().normalize().getParent();
    return List.of("version.py", "build-version").stream()
        .map(parent::resolve)
        .filter(Files::isRegularFile)
        .map(TorchBuild::read)
        .flatMap(Optional::stream)
        .findFirst();
  }

  private static Optional<TorchBuild> read(Path file) {
    try {
      Matcher matcher = BUILD.matcher(Files.readString(file));
      return matcher.find()
          ? Optional.of(new TorchBuild(matcher.group(1), matcher.group(2)))
          : Optional.empty();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public String toString() {
    return version + "+" + flavor;
  }
}
