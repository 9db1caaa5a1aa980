package io.fisherstreams.release;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CompanionsTest {
  @TempDir private Path directory;

  private Path base(String... names) throws IOException {
    Path folder = directory.resolve("base");
    for (String name : names) {
      Files.createDirectories(folder.resolve(name).getParent());
      Files.writeString(folder.resolve(name), "{\"torch_dtype\": \"float32\", \"width\": 4}");
    }
    return folder;
  }

  private static List<String> files(Companions companions) {
    return companions.files().stream().map(Path::toString).toList();
  }

  @Test
  void allButWeightsAndCodeIsCopiedAndTheRestIsNamed() throws IOException {
    Path folder =
        base(
            "config.json",
            "chat_template.jinja",
            "1_Pooling/config.json",
            "modeling_x.py",
            "model.safetensors",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "pytorch_model.bin",
            "onnx/model.onnx",
            "adapter_config.json",
            "README.md",
            ".gitattributes");
    Companions found = Companions.of(folder, false);
    assertThat(files(found))
        .containsExactly("1_Pooling/config.json", "chat_template.jinja", "config.json");
    assertThat(found.leftOut())
        .containsExactly(
            "README.md (the release has its own)",
            "adapter_config.json (an adapter)",
            "modeling_x.py (code; --trust-remote-code copies it)",
            "onnx/ (no part of the model)",
            "pytorch_model.bin (weights)");
    assertThat(files(Companions.of(folder, true))).contains("modeling_x.py");
  }

  @Test
  void aModuleBringsItsOwnWeights() throws IOException {
    Path folder = base("2_Dense/model.safetensors", "3_Other/model.safetensors");
    Files.writeString(folder.resolve("modules.json"), "[{\"path\": \"2_Dense\"}]");
    assertThat(files(Companions.of(folder, false)))
        .containsExactly("2_Dense/model.safetensors", "modules.json");
  }

  @Test
  void theConfigSaysTheReleasesDtype() throws IOException {
    Companions found = Companions.of(base("config.json", "1_Pooling/config.json"), false);
    Path output = directory.resolve("out");
    try (CheckpointWriter writer =
        CheckpointWriter.folder(output, List.of(), Map.of(), Long.MAX_VALUE)) {
      found.copyTo(writer, Optional.of(DType.BF16));
      writer.commit();
    }
    JsonNode config = new ObjectMapper().readTree(output.resolve("config.json").toFile());
    assertThat(config.get("torch_dtype").textValue()).isEqualTo("bfloat16");
    assertThat(config.get("width").intValue()).isEqualTo(4);
    assertThat(output.resolve("1_Pooling/config.json"))
        .hasContent("{\"torch_dtype\": \"float32\", \"width\": 4}");
  }
}
