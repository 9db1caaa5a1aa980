package io.fisherstreams.release;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.CompanionFile;
import io.fisherstreams.record.Limits;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PackedCompanionsTest {
  @TempDir private Path directory;

  private Path base() throws IOException {
    Path base = Files.createDirectories(directory.resolve("base"));
    Files.writeString(base.resolve("config.json"), "{\"model_type\": \"gpt2\"}");
    Files.writeString(base.resolve("merges.txt"), "Ġ t\nĠ a\n");
    Files.write(base.resolve("spiece.model"), new byte[] {0, 1, (byte) 0xff});
    Files.write(base.resolve("picture.png"), new byte[] {0, 1, (byte) 0xff});
    Files.createDirectories(base.resolve("1_Pooling"));
    Files.writeString(base.resolve("1_Pooling/config.json"), "{}");
    Files.writeString(base.resolve("model.safetensors"), "weights");
    Files.writeString(base.resolve("modeling.py"), "code");
    return base;
  }

  private static List<String> names(PackedCompanions packed) {
    return packed.files().stream().map(CompanionFile::getName).toList();
  }

  @Test
  void textAndVocabulariesComeOutAsTheyWentIn() throws IOException {
    Path base = base();
    PackedCompanions packed = PackedCompanions.pack(Companions.of(base, false), 1 << 20);
    assertThat(names(packed))
        .containsExactly("config.json", "1_Pooling/config.json", "spiece.model", "merges.txt");
    assertThat(packed.note())
        .hasValueSatisfying(note -> assertThat(note).contains("picture.png (no text)"));
    Path unpacked = Files.createDirectory(directory.resolve("unpacked"));
    PackedCompanions.unpack(packed.files(), unpacked);
    for (String name : names(packed)) {
      assertThat(unpacked.resolve(name)).hasSameBinaryContentAs(base.resolve(name));
    }
  }

  @Test
  void whatDoesNotFitIsNamed() throws IOException {
    Path base = base();
    byte[] letters = new byte[10_000];
    Random random = new Random(1);
    for (int i = 0; i < letters.length; i++) {
      letters[i] = (byte) ('a' + random.nextInt(26));
    }
    Files.write(base.resolve("vocab.txt"), letters);
    PackedCompanions packed = PackedCompanions.pack(Companions.of(base, false), 1_000);
    assertThat(names(packed)).contains("config.json", "merges.txt").doesNotContain("vocab.txt");
    assertThat(packed.leftOut()).contains("vocab.txt (too large)");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../config.json",
        "/etc/passwd",
        "a/b/c.json",
        ".bashrc",
        "a/../b",
        "x.py",
        "a\\b",
        ""
      })
  void aNameThatLeadsElsewhereIsNotWritten(String name) {
    List<CompanionFile> files = List.of(new CompanionFile(name, ByteBuffer.allocate(0)));
    assertThatThrownBy(() -> PackedCompanions.unpack(files, directory))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("no acceptable name");
  }

  @Test
  void aBombIsRejected() throws IOException {
    ByteArrayOutputStream bomb = new ByteArrayOutputStream();
    try (GZIPOutputStream out = new GZIPOutputStream(bomb)) {
      out.write(new byte[Limits.MAX_COMPANION_LENGTH + 1]);
    }
    List<CompanionFile> files =
        List.of(new CompanionFile("vocab.txt", ByteBuffer.wrap(bomb.toByteArray())));
    assertThatThrownBy(() -> PackedCompanions.unpack(files, directory))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("unpacks to more than");
    byte[] damaged = "no gzip".getBytes(StandardCharsets.UTF_8);
    assertThatThrownBy(
            () ->
                PackedCompanions.unpack(
                    List.of(new CompanionFile("a.txt", ByteBuffer.wrap(damaged))), directory))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("is damaged");
  }
}
