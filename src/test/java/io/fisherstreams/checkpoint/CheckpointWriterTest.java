package io.fisherstreams.checkpoint;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointWriterTest {
  private static final TensorInfo WEIGHT = new TensorInfo("w", DType.F32, List.of(2L, 3L));
  private static final TensorInfo SCALAR = new TensorInfo("s", DType.BF16, List.of());
  private static final TensorInfo EMPTY = new TensorInfo("e", DType.F16, List.of(0L, 4L));
  private static final TensorInfo IDS = new TensorInfo("i", DType.I64, List.of(1L));
  private static final TensorInfo MASK = new TensorInfo("b", DType.BOOL, List.of(3L));
  private static final List<TensorInfo> ALL = List.of(WEIGHT, SCALAR, EMPTY, IDS, MASK);

  @TempDir Path folder;

  @Test
  void theOrderOfMetadataDoesNotShow() throws IOException {
    List<Path> files = new ArrayList<>();
    for (List<String> order : List.of(List.of("b", "a", "c"), List.of("c", "b", "a"))) {
      Map<String, String> metadata = new LinkedHashMap<>();
      order.forEach(name -> metadata.put(name, name));
      Path target = folder.resolve(String.join("", order) + ".safetensors");
      try (CheckpointWriter writer = CheckpointWriter.file(target, List.of(MASK), metadata)) {
        writer.write("b", 0, ByteBuffer.wrap(new byte[] {1, 0, 1}));
        writer.commit();
      }
      files.add(target);
    }
    assertThat(files.get(0)).hasSameBinaryContentAs(files.get(1));
  }

  @Test
  void writesWhatItReads() throws IOException {
    Path target = folder.resolve("out.safetensors");
    try (CheckpointWriter writer =
        CheckpointWriter.file(target, ALL, Map.of("format", "pt", "Größe", "µ\n"))) {
      writer.write("w", 4, floats(4, 5)); // any order
      writer.write("w", 0, floats(0, 1, 2, 3));
      writer.write("s", 0, ByteBuffer.wrap(new byte[] {1, 2}));
      writer.write("i", 0, ByteBuffer.wrap(new byte[] {1, 2, 3, 4, 5, 6, 7, 8}));
      writer.write("b", 0, ByteBuffer.wrap(new byte[] {1, 0, 1}));
      writer.commit();
    }

    try (Checkpoint read = Checkpoint.open(target)) {
      assertThat(read.tensors().values()).containsExactlyInAnyOrderElementsOf(ALL);
      assertThat(read.metadata()).isEqualTo(Map.of("format", "pt", "Größe", "µ\n"));
      ByteBuffer w = read.slice("w", 0, 6);
      for (int i = 0; i < 6; i++) {
        assertThat(w.getFloat(4 * i)).isEqualTo(i);
      }
      assertThat(read.slice("i", 0, 1).getLong()).isEqualTo(0x0807060504030201L);
      assertThat(read.slice("b", 2, 1).get()).isEqualTo((byte) 1);
    }
    assertThat(namesIn(folder)).containsExactly("out.safetensors");
  }

  /** The bytes that safetensors 0.8.0 (Python) writes for these tensors and values. */
  @Test
  void laysTheFileOutByteForByteAsTheReferenceImplementationDoes() throws IOException {
    String header =
        "{\"__metadata__\":{\"format\":\"pt\"},"
            + "\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
            + "\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
            + "\"s\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[32,34]},"
            + "\"e\":{\"dtype\":\"F16\",\"shape\":[0,4],\"data_offsets\":[34,34]},"
            + "\"b\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[34,37]}}";
    String padded = header + " ".repeat((8 - header.length() % 8) % 8);
    ByteBuffer expected =
        ByteBuffer.allocate(8 + padded.length() + 37).order(ByteOrder.LITTLE_ENDIAN);
    expected.putLong(padded.length()).put(padded.getBytes(UTF_8));
    expected.putLong(-1).put(floats(0, 1, 2, 3, 4, 5)).putShort((short) 0x3F80).put((byte) 1);

    Path target = folder.resolve("out.safetensors");
    try (CheckpointWriter writer = CheckpointWriter.file(target, ALL, Map.of("format", "pt"))) {
      writer.write("b", 0, ByteBuffer.wrap(new byte[] {1, 0, 0}));
      writer.write("i", 0, ByteBuffer.wrap(new byte[] {-1, -1, -1, -1, -1, -1, -1, -1}));
      writer.write("s", 0, ByteBuffer.wrap(new byte[] {(byte) 0x80, 0x3F}));
      writer.write("w", 0, floats(0, 1, 2, 3, 4, 5));
      writer.commit();
    }
    assertThat(Files.readAllBytes(target)).isEqualTo(expected.array());
  }

  @Test
  void beginsTheTensorsAtAMultipleOfEight() throws IOException {
    for (int length = 1; length <= 16; length++) {
      TensorInfo tensor = new TensorInfo("n".repeat(length), DType.U8, List.of(1L));
      Path target = folder.resolve("out.safetensors");
      try (CheckpointWriter writer = CheckpointWriter.file(target, List.of(tensor), Map.of())) {
        writer.write(tensor.name(), 0, ByteBuffer.wrap(new byte[] {42}));
        writer.commit();
      }
      assertThat(Files.size(target) % 8).isEqualTo(1);
      try (Checkpoint read = Checkpoint.open(target)) {
        assertThat(read.slice(tensor.name(), 0, 1).get()).isEqualTo((byte) 42);
      }
    }
  }

  @Test
  void rejectsToCommitWhatIsIncompleteNamingTheFirstMissingElements() throws IOException {
    Path target = folder.resolve("out.safetensors");
    Files.writeString(target, "the old file");
    try (CheckpointWriter writer = CheckpointWriter.file(target, ALL, Map.of())) {
      writer.write("w", 0, floats(0));
      writer.write("w", 4, floats(4, 5));
      writer.write("s", 0, ByteBuffer.wrap(new byte[2]));
      writer.write("b", 0, ByteBuffer.wrap(new byte[2]));
      assertThatThrownBy(writer::commit)
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining(target.toString())
          .hasMessageContaining("3 of 5 tensors")
          .hasMessageContaining("b: elements 2 to 2 of 3; i: elements 0 to 0 of 1")
          .hasMessageContaining("w: elements 1 to 3 of 6");

      // What was missing may still come.
      writer.write("w", 1, floats(1, 2, 3));
      writer.write("b", 2, ByteBuffer.wrap(new byte[1]));
      writer.write("i", 0, ByteBuffer.wrap(new byte[8]));
      assertThat(target).hasContent("the old file");
      writer.commit();
    }
    assertThat(Files.size(target)).isGreaterThan(100);
    assertThat(namesIn(folder)).containsExactly("out.safetensors");
  }

  @Test
  void leavesTheTargetAloneAndNothingBehindWithoutCommit() throws IOException {
    Path target = folder.resolve("out.safetensors");
    Files.writeString(target, "the old file");
    CheckpointWriter file = CheckpointWriter.file(target, ALL, Map.of());
    file.write("w", 0, floats(0, 1));
    file.close();
    file.close();
    assertThat(target).hasContent("the old file");
    assertThat(namesIn(folder)).containsExactly("out.safetensors");

    CheckpointWriter parts = CheckpointWriter.folder(folder.resolve("out"), ALL, Map.of(), 9);
    parts.addFile("config.json", "{}".getBytes(UTF_8));
    assertThat(folder.resolve("out")).doesNotExist();
    assertThat(namesIn(folder)).hasSize(3); // the target, and a sibling with its lock
    parts.close();
    assertThat(namesIn(folder)).containsExactly("out.safetensors");
  }

  @Test
  void acceptsNothingMoreAfterCommitOrClose() {
    CheckpointWriter closed =
        CheckpointWriter.folder(folder.resolve("a"), List.of(WEIGHT), Map.of(), 100);
    closed.close();
    assertRejectsEverything(closed);

    CheckpointWriter committed =
        CheckpointWriter.folder(folder.resolve("b"), List.of(WEIGHT), Map.of(), 100);
    committed.write("w", 0, floats(0, 1, 2, 3, 4, 5));
    committed.commit();
    assertRejectsEverything(committed);
    committed.close();
    assertThat(folder.resolve("b").resolve("model.safetensors")).exists();
  }

  private static void assertRejectsEverything(CheckpointWriter writer) {
    assertThatThrownBy(() -> writer.write("w", 0, floats(1)))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> writer.addFile("x", new byte[0]))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(writer::commit).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void writesAFolderOfPartsWithItsIndex() throws IOException {
    Path target = folder.resolve("out");
    Path tokenizer = Files.writeString(folder.resolve("tokenizer.json"), "{\"t\":1}");
    List<TensorInfo> tensors =
        List.of(
            new TensorInfo("a", DType.U8, List.of(40L)),
            new TensorInfo("b", DType.U8, List.of(60L)),
            new TensorInfo("c", DType.U8, List.of(250L)), // larger than a part
            new TensorInfo("d", DType.F32, List.of(1L)),
            new TensorInfo("e", DType.U8, List.of(97L)));
    try (CheckpointWriter writer =
        CheckpointWriter.folder(target, tensors, Map.of("format", "pt"), 100)) {
      for (TensorInfo tensor : tensors) {
        byte[] bytes = new byte[(int) tensor.bytes()];
        Arrays.fill(bytes, (byte) tensor.name().charAt(0));
        writer.write(tensor.name(), 0, ByteBuffer.wrap(bytes));
      }
      writer.addFile("tokenizer.json", tokenizer);
      writer.addFile("README.md", "# merged".getBytes(UTF_8));
      writer.commit();
    }

    assertThat(namesIn(target))
        .containsExactly(
            "README.md",
            "model-00001-of-00004.safetensors",
            "model-00002-of-00004.safetensors",
            "model-00003-of-00004.safetensors",
            "model-00004-of-00004.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json");
    assertThat(target.resolve("tokenizer.json")).hasContent("{\"t\":1}");
    assertThat(target.resolve("README.md")).hasContent("# merged");
    JsonNode index =
        new ObjectMapper().readTree(target.resolve("model.safetensors.index.json").toFile());
    assertThat(index.path("metadata").path("total_size").asLong())
        .isEqualTo(40 + 60 + 250 + 4 + 97);
    assertThat(index.path("weight_map").path("b").asText())
        .isEqualTo("model-00001-of-00004.safetensors");
    assertThat(index.path("weight_map").path("c").asText())
        .isEqualTo("model-00002-of-00004.safetensors");
    assertThat(index.path("weight_map").path("e").asText())
        .isEqualTo("model-00004-of-00004.safetensors");

    try (Checkpoint read = Checkpoint.open(target)) {
      assertThat(read.tensors().values()).containsExactlyElementsOf(tensors);
      assertThat(read.metadata()).isEqualTo(Map.of("format", "pt"));
      for (TensorInfo tensor : tensors) {
        ByteBuffer bytes = read.slice(tensor.name(), 0, (int) tensor.elements());
        assertThat(bytes.get(bytes.limit() - 1)).isEqualTo((byte) tensor.name().charAt(0));
      }
    }
    try (Stream<Path> siblings = Files.list(folder)) {
      assertThat(siblings.map(p -> p.getFileName().toString()))
          .containsExactlyInAnyOrder("out", "tokenizer.json");
    }
  }

  @Test
  void writesOneFileWithoutIndexWhenOnePartSuffices() throws IOException {
    Path target = Files.createDirectory(folder.resolve("out")); // empty: is replaced
    try (CheckpointWriter writer = CheckpointWriter.folder(target, List.of(WEIGHT), Map.of(), 24)) {
      writer.write("w", 0, floats(0, 1, 2, 3, 4, 5));
      writer.commit();
    }
    assertThat(namesIn(target)).containsExactly("model.safetensors");
  }

  @Test
  void letsOthersReadTheOutputAsTheSystemsDefaultsSay() throws IOException {
    Path reference = Files.writeString(folder.resolve("reference"), "");
    Path referenceFolder = Files.createDirectory(folder.resolve("reference-folder"));
    Path file = folder.resolve("out.safetensors");
    try (CheckpointWriter writer = CheckpointWriter.file(file, List.of(EMPTY), Map.of())) {
      writer.commit();
    }
    Path parts = folder.resolve("out");
    try (CheckpointWriter writer = CheckpointWriter.folder(parts, List.of(EMPTY), Map.of(), 1)) {
      writer.commit();
    }
    assertThat(permissions(file)).isEqualTo(permissions(reference));
    assertThat(permissions(parts)).isEqualTo(permissions(referenceFolder));
  }

  @Test
  void replacesTheFileThatALinkPointsTo() throws IOException {
    Path real = Files.writeString(folder.resolve("real.safetensors"), "old");
    Path link = Files.createSymbolicLink(folder.resolve("link.safetensors"), real);
    try (CheckpointWriter writer = CheckpointWriter.file(link, List.of(EMPTY), Map.of())) {
      writer.commit();
    }
    assertThat(link).isSymbolicLink();
    assertThatCode(() -> Checkpoint.open(real).close()).doesNotThrowAnyException();
  }

  @Test
  void rejectsTargetsThatCannotBeWrittenBeforeAnyWork() throws IOException {
    Path missing = folder.resolve("missing").resolve("out");
    Path file = Files.writeString(folder.resolve("file"), "");
    Path full = Files.createDirectory(folder.resolve("full"));
    Files.writeString(full.resolve("notes.txt"), "precious");

    for (Path target : List.of(missing, file.resolve("out"))) {
      assertThatThrownBy(() -> CheckpointWriter.file(target, ALL, Map.of()))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining(target.toString())
          .hasMessageMatching(".*(does not exist; create it first|file is a file)");
      assertThatThrownBy(() -> CheckpointWriter.folder(target, ALL, Map.of(), 100))
          .isInstanceOf(InvalidInput.class)
          .hasMessageMatching(".*(does not exist; create it first|file is a file)");
    }
    assertThatThrownBy(() -> CheckpointWriter.file(full, ALL, Map.of()))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("is a folder");
    assertThatThrownBy(() -> CheckpointWriter.folder(file, ALL, Map.of(), 100))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("is a file");
    assertThatThrownBy(() -> CheckpointWriter.folder(full, ALL, Map.of(), 100))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("not empty");
    assertThat(namesIn(folder)).containsExactly("file", "full");
  }

  @Test
  void neverMixesWithWhatAppearedInTheTargetMeanwhile() throws IOException {
    Path target = folder.resolve("out");
    try (CheckpointWriter writer = CheckpointWriter.folder(target, List.of(EMPTY), Map.of(), 100)) {
      Files.createDirectory(target);
      Files.writeString(target.resolve("theirs"), "x");
      assertThatThrownBy(writer::commit)
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("not empty");
    }
    assertThat(namesIn(folder)).containsExactly("out");
    assertThat(namesIn(target)).containsExactly("theirs");
  }

  @Test
  void rejectsWrongWrites() {
    try (CheckpointWriter writer =
        CheckpointWriter.file(folder.resolve("out.safetensors"), ALL, Map.of())) {
      assertThatThrownBy(() -> writer.write("nobody", 0, floats(1)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("nobody");
      assertThatThrownBy(() -> writer.write("w", 0, ByteBuffer.allocate(5)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("5 bytes");
      for (long first : new long[] {-1, 6, 5, Long.MAX_VALUE}) {
        assertThatThrownBy(() -> writer.write("w", first, floats(1, 2)))
            .isInstanceOf(IndexOutOfBoundsException.class)
            .hasMessageContaining("tensor 'w' with 6 elements");
      }
      assertThatThrownBy(() -> writer.addFile("config.json", new byte[0]))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("single file");
    }
  }

  @Test
  void rejectsFurtherFilesWithNamesThatAreTakenOrLeadElsewhere() {
    try (CheckpointWriter writer =
        CheckpointWriter.folder(folder.resolve("out"), List.of(WEIGHT), Map.of(), 100)) {
      writer.addFile("config.json", new byte[1]);
      for (String name : List.of("config.json", "model.safetensors")) {
        assertThatThrownBy(() -> writer.addFile(name, new byte[0]))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("already has a file '" + name + "'");
      }
      for (String name : List.of("../x", "a/../b", "a//b", "/x", "..", ".", "")) {
        assertThatThrownBy(() -> writer.addFile(name, new byte[0]))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("no plain file name");
      }
      assertThatThrownBy(() -> writer.addFile("x", folder.resolve("absent")))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("absent");
    }
  }

  @Test
  void rejectsTensorsThatCannotBeOneFile() {
    Path target = folder.resolve("out.safetensors");
    assertThatThrownBy(
            () ->
                CheckpointWriter.file(
                    target,
                    List.of(new TensorInfo("__metadata__", DType.U8, List.of(1L))),
                    Map.of()))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("__metadata__");
    assertThatThrownBy(() -> CheckpointWriter.file(target, List.of(WEIGHT, WEIGHT), Map.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("two tensors named 'w'");
    assertThatThrownBy(() -> CheckpointWriter.file(target, List.of(WEIGHT), Map.of("k", "\ud800")))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("surrogate");
    assertThat(target).doesNotExist();
  }

  @Test
  void takesWritesFromSeveralThreadsInAnyOrder() throws Exception {
    int elements = 400_000;
    TensorInfo tensor = new TensorInfo("t", DType.F32, List.of((long) elements));
    Path target = folder.resolve("out.safetensors");
    List<Integer> starts = new ArrayList<>();
    for (int start = 0; start < elements; start += 1_000) {
      starts.add(start);
    }
    Collections.shuffle(starts, new Random(3));
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try (CheckpointWriter writer = CheckpointWriter.file(target, List.of(tensor), Map.of())) {
      List<Future<?>> writes = new ArrayList<>();
      for (int start : starts) {
        writes.add(
            threads.submit(
                () -> {
                  float[] run = new float[1_000];
                  for (int i = 0; i < run.length; i++) {
                    run[i] = start + i;
                  }
                  writer.write("t", start, floats(run));
                }));
      }
      for (Future<?> write : writes) {
        write.get();
      }
      writer.commit();
    } finally {
      threads.shutdown();
    }
    try (Checkpoint read = Checkpoint.open(target)) {
      ByteBuffer all = read.slice("t", 0, elements);
      for (int i = 0; i < elements; i++) {
        assertThat(all.getFloat()).isEqualTo(i);
      }
    }
  }

  @Test
  void leavesTheCallersBufferAsItWas() {
    ByteBuffer bytes = floats(0, 1, 2, 3, 4, 5, 6, 7);
    bytes.position(4).limit(28);
    try (CheckpointWriter writer =
        CheckpointWriter.file(folder.resolve("out.safetensors"), List.of(WEIGHT), Map.of())) {
      writer.write("w", 0, bytes);
      assertThat(bytes.position()).isEqualTo(4);
      assertThat(bytes.limit()).isEqualTo(28);
      writer.commit();
    }
    try (Checkpoint read = Checkpoint.open(folder.resolve("out.safetensors"))) {
      assertThat(read.slice("w", 0, 1).getFloat()).isEqualTo(1);
    }
  }

  private static ByteBuffer floats(float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      bytes.putFloat(value);
    }
    return bytes.flip();
  }

  private static List<String> namesIn(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private static Set<PosixFilePermission> permissions(Path path) throws IOException {
    return Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS);
  }
}
