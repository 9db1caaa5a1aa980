package io.fisherstreams.publish;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ModelCheckTest {
  @TempDir private Path directory;

  private Path file(DType dtype, byte[] bytes) {
    Path file = directory.resolve("a.safetensors");
    TensorInfo w = new TensorInfo("w", dtype, List.of((long) bytes.length / dtype.bytes()));
    try (CheckpointWriter writer = CheckpointWriter.file(file, List.of(w), Map.of())) {
      writer.write("w", 0, ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
      writer.commit();
    }
    return file;
  }

  /** 1, then the value under test, each by its IEEE 754 bits. */
  static Stream<Arguments> notFinite() {
    return Stream.of(
        Arguments.of(DType.F32, 0x3F800000L, 0x7F800000L, "Infinity"),
        Arguments.of(DType.F32, 0x3F800000L, 0xFF800000L, "-Infinity"),
        Arguments.of(DType.F32, 0x3F800000L, 0x7FC00000L, "NaN"),
        Arguments.of(DType.F16, 0x3C00L, 0x7C00L, "Infinity"),
        Arguments.of(DType.F16, 0x3C00L, 0xFC00L, "-Infinity"),
        Arguments.of(DType.F16, 0x3C00L, 0x7E00L, "NaN"),
        Arguments.of(DType.BF16, 0x3F80L, 0x7F80L, "Infinity"),
        Arguments.of(DType.BF16, 0x3F80L, 0xFF80L, "-Infinity"),
        Arguments.of(DType.BF16, 0x3F80L, 0x7FC0L, "NaN"),
        Arguments.of(DType.F64, 0x3FF0000000000000L, 0x7FF0000000000000L, "Infinity"),
        Arguments.of(DType.F64, 0x3FF0000000000000L, 0xFFF0000000000000L, "-Infinity"),
        Arguments.of(DType.F64, 0x3FF0000000000000L, 0x7FF8000000000000L, "NaN"));
  }

  private static byte[] bytes(DType dtype, long... bits) {
    ByteBuffer bytes =
        ByteBuffer.allocate(bits.length * dtype.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    for (long each : bits) {
      switch (dtype.bytes()) {
        case 2 -> bytes.putShort((short) each);
        case 4 -> bytes.putInt((int) each);
        default -> bytes.putLong(each);
      }
    }
    return bytes.array();
  }

  @ParameterizedTest
  @MethodSource("notFinite")
  void rejectsAMergedParameterThatIsNotFinite(DType dtype, long one, long bad, String shown) {
    try (Checkpoint checkpoint = Checkpoint.open(file(dtype, bytes(dtype, one, bad, one)))) {
      ModelManifest base = Manifests.base("base", 1, checkpoint.tensors().values());
      assertThatThrownBy(() -> ModelCheck.checkpoint(checkpoint, base, ModelCheck.mergeSet(base)))
          .isInstanceOf(InvalidInput.class)
          .hasMessageStartingWith("checkpoint (")
          .hasMessageEndingWith(
              "a.safetensors): tensor 'w' has "
                  + shown
                  + " at element 1, expected finite parameters; exclude the tensor to keep the"
                  + " base's value");
    }
  }

  @ParameterizedTest
  @MethodSource("notFinite")
  void aBaseMayHoldAnInfinityWhereItIsNotMergedButNoNaN(
      DType dtype, long one, long bad, String shown) {
    try (Checkpoint checkpoint = Checkpoint.open(file(dtype, bytes(dtype, one, bad, one)))) {
      List<String> none = List.of();
      List<String> all = List.of("w");
      assertThatThrownBy(() -> check(checkpoint, none))
          .isInstanceOf(InvalidInput.class)
          .hasMessageStartingWith("base (")
          .hasMessageEndingWith(
              "a.safetensors): tensor 'w' has "
                  + shown
                  + " at element 1, expected finite parameters; exclude the tensor to keep the"
                  + " base's value");
      if (shown.equals("NaN")) {
        assertThatThrownBy(() -> check(checkpoint, all))
            .isInstanceOf(InvalidInput.class)
            .hasMessageEndingWith(
                "a.safetensors): tensor 'w' has NaN at element 1, expected no NaN");
      } else {
        assertThatCode(() -> check(checkpoint, all)).doesNotThrowAnyException();
      }
    }
  }

  private static void check(Checkpoint base, List<String> patterns) {
    ModelCheck.base(base, BaseModel.of(base, patterns).mergeSet(), patterns);
  }

  @Test
  void rejectsAHeadThatTheBaseTies() {
    TensorInfo embedding = new TensorInfo("wte.weight", DType.F32, List.of(1L, 1L));
    TensorInfo head = new TensorInfo("lm_head.weight", DType.F32, List.of(1L, 1L));
    ModelManifest base = Manifests.base("base", 1, List.of(embedding));
    Path file = directory.resolve("model.safetensors");
    try (CheckpointWriter writer =
        CheckpointWriter.file(file, List.of(embedding, head), Map.of())) {
      writer.write("wte.weight", 0, ByteBuffer.wrap(bytes(DType.F32, 0x3F800000L)));
      writer.write("lm_head.weight", 0, ByteBuffer.wrap(bytes(DType.F32, 0x40000000L)));
      writer.commit();
    }
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      assertThatThrownBy(() -> ModelCheck.checkpoint(checkpoint, base, ModelCheck.mergeSet(base)))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("tensors 'lm_head.weight' and 'wte.weight' differ");
    }
  }

  @Test
  void settingsAreRejectedUnderTheNamesOfTheirOptions() {
    TensorInfo w = new TensorInfo("w", DType.F32, List.of(2L));
    ModelManifest base = Manifests.base("base", 1, List.of(w));
    ModelManifest model =
        Manifests.fineTuned("a", 1, List.of(w), ModelCheck.mergeSet(base), false)
            .setRefineEvery(-1)
            .build();
    assertThatThrownBy(() -> ModelCheck.settings(model))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("refine-every is -1, expected at least 0");
  }
}
