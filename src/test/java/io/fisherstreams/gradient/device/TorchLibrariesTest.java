package io.fisherstreams.gradient.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Operators' installations of PyTorch, of which only the files that are looked at exist. */
class TorchLibrariesTest {
  @TempDir private Path folder;

  private Path libraries(String file, String text) throws IOException {
    Path libraries = Files.createDirectories(folder.resolve("torch/lib"));
    Files.createFile(libraries.resolve("libtorch.so"));
    Files.writeString(folder.resolve("torch").resolve(file), text);
    return libraries;
  }

  private static TorchBuild check(Path libraries) {
    return TorchLibraries.check(libraries.toString(), name -> null);
  }

  @Test
  void acceptsTheBuildOfPythonThatFits() throws IOException {
    Path libraries =
        libraries("version.py", "from typing import Optional\n__version__ = '2.7.1+cu128'\n");
    assertThat(check(libraries)).isEqualTo(new TorchBuild("2.7.1", "cu128"));
  }

  @Test
  void acceptsAnUnpackedLibtorchThatFits() throws IOException {
    assertThat(check(libraries("build-version", "2.7.1+cpu\n")))
        .isEqualTo(new TorchBuild("2.7.1", "cpu"));
  }

  @ParameterizedTest
  @CsvSource({"2.7.1+cu126", "2.8.0+cu128", "2.7.0+cpu", "2.7.1+rocm6.3"})
  void rejectsAnotherBuildAndNamesThoseThatFit(String build) throws IOException {
    Path libraries = libraries("version.py", "__version__ = '" + build + "'\n");
    assertThatThrownBy(() -> check(libraries))
        .isInstanceOf(InvalidInput.class)
        .hasMessage(
            "PYTORCH_LIBRARY_PATH %s: has PyTorch %s, but 2.7.1+cpu or 2.7.1+cu128 fits"
                .formatted(libraries, build));
  }

  @Test
  void rejectsAFolderThatDoesNotSayWhatItHas() throws IOException {
    Path libraries = libraries("README", "2.7.1+cu128");
    assertThatThrownBy(() -> check(libraries))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("PYTORCH_LIBRARY_PATH " + libraries)
        .hasMessageContaining("no version of PyTorch is found there")
        .hasMessageContaining("2.7.1+cu128");
  }

  @Test
  void rejectsAFolderWithoutLibraries() throws IOException {
    Path libraries = libraries("version.py", "__version__ = '2.7.1+cu128'\n");
    Files.delete(libraries.resolve("libtorch.so"));
    assertThatThrownBy(() -> check(libraries)).hasMessageContaining("expected libtorch.so");
  }

  @Test
  void variablesSayWhatAFolderDoesNot() throws IOException {
    Path libraries = libraries("README", "built by hand");
    Map<String, String> variables = Map.of("PYTORCH_VERSION", "2.7.1", "PYTORCH_FLAVOR", "cu128");
    assertThat(TorchLibraries.check(libraries.toString(), variables::get))
        .isEqualTo(new TorchBuild("2.7.1", "cu128"));
    assertThatThrownBy(
            () ->
                TorchLibraries.check(
                    libraries.toString(),
                    Map.of("PYTORCH_VERSION", "2.6.0", "PYTORCH_FLAVOR", "cu124")::get))
        .hasMessageContaining("has PyTorch 2.6.0+cu124, but 2.7.1+cpu or 2.7.1+cu128 fits");
  }
}
