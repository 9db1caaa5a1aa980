package io.fisherstreams.checkpoint;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InputFilesTest {
  @TempDir private Path folder;
  private Path model;

  @BeforeEach
  void aModelAsInADownloadCache() throws IOException {
    Path blob = folder.resolve("blob");
    TensorInfo scalar = new TensorInfo("s", DType.U8, List.of());
    try (CheckpointWriter writer = CheckpointWriter.file(blob, List.of(scalar), Map.of())) {
      writer.write("s", 0, ByteBuffer.allocate(1));
      writer.commit();
    }
    model = Files.createDirectory(folder.resolve("model"));
    Files.createSymbolicLink(model.resolve("model.safetensors"), blob);
    Files.writeString(model.resolve("config.json"), "{}");
  }

  @Test
  void aFolderStandsForTheModelsFilesInIt() throws IOException {
    rejects(model);
    rejects(model.resolve("model.safetensors"));
    rejects(model.resolve("../model/config.json"));
    rejects(folder.resolve("blob"));
    rejects(Files.createSymbolicLink(folder.resolve("link"), model.resolve("config.json")));
  }

  @Test
  void anEarlierOutputInTheFolderMayBeReplaced() throws IOException {
    Path output = Files.createFile(model.resolve("merged.safetensors"));
    assertThatCode(() -> InputFiles.requireOther("--output", output, List.of(model)))
        .doesNotThrowAnyException();
  }

  private void rejects(Path output) {
    assertThatThrownBy(() -> InputFiles.requireOther("--output", output, List.of(model)))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("--output %s is one of the inputs; name another", output);
  }
}
