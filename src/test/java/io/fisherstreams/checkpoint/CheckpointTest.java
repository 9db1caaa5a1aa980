package io.fisherstreams.checkpoint;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatScan;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ReadOnlyBufferException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class CheckpointTest {
  private static final String VALID =
      """
      {"__metadata__":{"format":"pt","Größe":"µ"},\
      "w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},\
      "s":{"dtype":"F64","shape":[],"data_offsets":[24,32]},\
      "e":{"dtype":"F16","shape":[0,4],"data_offsets":[32,32]},\
      "i":{"dtype":"I64","shape":[1],"data_offsets":[32,40]}}""";

  @TempDir Path folder;

  @Test
  void readsTensorsMetadataAndValues() throws IOException {
    byte[] data = new byte[40];
    ByteBuffer numbers = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < 6; i++) {
      numbers.putFloat(4 * i, i + 0.5f);
    }
    numbers.putDouble(24, Math.PI).putLong(32, -7);
    Path file = write("model.safetensors", VALID, data);

    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      assertThat(checkpoint.path()).isEqualTo(file);
      assertThat(checkpoint.folder()).isEmpty();
      assertThat(checkpoint.metadata()).isEqualTo(Map.of("format", "pt", "Größe", "µ"));
      assertThat(checkpoint.tensors().keySet()).containsExactly("e", "i", "s", "w");
      assertThat(checkpoint.tensors().get("w"))
          .isEqualTo(new TensorInfo("w", DType.F32, List.of(2L, 3L)));
      assertThat(checkpoint.tensors().get("s").elements()).isEqualTo(1);
      assertThat(checkpoint.tensors().get("e").elements()).isZero();

      ByteBuffer middle = checkpoint.slice("w", 2, 3);
      assertThat(middle.position()).isZero();
      assertThat(middle.limit()).isEqualTo(12);
      assertThat(middle.order()).isEqualTo(ByteOrder.LITTLE_ENDIAN);
      assertThat(middle.isDirect()).isTrue();
      assertThat(List.of(middle.getFloat(), middle.getFloat(), middle.getFloat()))
          .containsExactly(2.5f, 3.5f, 4.5f);
      assertThatThrownBy(() -> checkpoint.slice("w", 0, 1).putFloat(0, 1))
          .isInstanceOf(ReadOnlyBufferException.class);
      assertThat(checkpoint.slice("s", 0, 1).getDouble()).isEqualTo(Math.PI);
      assertThat(checkpoint.slice("i", 0, 1).getLong()).isEqualTo(-7);
      assertThat(checkpoint.slice("e", 0, 0).limit()).isZero();
    }
  }

  /** Files of another implementation, with values that its author computed. */
  @Test
  void readsWhatTheReferenceImplementationWrote() throws Exception {
    URI conformance =
        CheckpointTest.class
            .getResource("/conformance/merge/integer-buffer-plain/base.safetensors")
            .toURI();
    try (Checkpoint checkpoint = Checkpoint.open(Path.of(conformance))) {
      List<DType> dtypes =
          checkpoint.tensors().values().stream().map(TensorInfo::dtype).distinct().toList();
      assertThat(dtypes).contains(DType.F32, DType.I64);
      for (TensorInfo tensor : checkpoint.tensors().values()) {
        ByteBuffer all = checkpoint.slice(tensor.name(), 0, (int) tensor.elements());
        assertThat((long) all.remaining()).isEqualTo(tensor.bytes());
        if (tensor.dtype() == DType.F32) {
          assertThat(FloatScan.firstNotFinite(DType.F32, all, (int) tensor.elements()))
              .isEqualTo(-1);
        }
      }
    }
  }

  @Test
  void rejectsRunsThatLeaveTheTensor() throws IOException {
    Path file = write("model.safetensors", VALID, new byte[40]);
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      for (long[] run : new long[][] {{0, 7}, {6, 1}, {-1, 2}, {0, -1}, {Long.MAX_VALUE, 1}}) {
        assertThatThrownBy(() -> checkpoint.slice("w", run[0], (int) run[1]))
            .isInstanceOf(IndexOutOfBoundsException.class)
            .hasMessageContaining("tensor 'w' with 6 elements");
      }
      assertThatThrownBy(() -> checkpoint.slice("nobody", 0, 1))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("nobody");
    }
  }

  @Test
  void givesNoSliceAfterClose() throws IOException {
    Checkpoint checkpoint = Checkpoint.open(write("model.safetensors", VALID, new byte[40]));
    checkpoint.slice("w", 0, 6);
    checkpoint.close();
    checkpoint.close();

    assertThatThrownBy(() -> checkpoint.slice("w", 0, 6))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("closed");
    assertThatThrownBy(() -> checkpoint.slice("e", 0, 0)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void closeGivesTheMapsBackAtOnce() throws IOException {
    Path file = write("mapped-and-released.safetensors", VALID, new byte[40]);
    Checkpoint checkpoint = Checkpoint.open(file);
    checkpoint.slice("w", 0, 6);
    checkpoint.slice("s", 0, 1);

    assertThat(mapsOf(file)).as("tensors share a map").hasSize(1);
    checkpoint.close();
    assertThat(mapsOf(file)).isEmpty();
    assertThat(openDescriptorsOf(file)).isEmpty();
  }

  @Test
  void aRejectedFileStaysNeitherOpenNorMapped() throws IOException {
    Path file = write("rejected.safetensors", VALID, new byte[39]);
    assertThatThrownBy(() -> Checkpoint.open(file)).isInstanceOf(InvalidInput.class);

    assertThat(openDescriptorsOf(file)).isEmpty();
  }

  @Test
  void readsAcrossTheWindowsOfATensorOverTwoGibibytes() throws IOException {
    // A sparse file: it takes a few blocks of disk only.
    long big = 5L * 1024 * 1024 * 1024 + 6;
    String header =
        String.format(
            Locale.ROOT,
            """
        {"big":{"dtype":"BF16","shape":[%d],"data_offsets":[0,%d]},\
        "last":{"dtype":"U8","shape":[4],"data_offsets":[%d,%d]}}""",
            big / 2,
            big,
            big,
            big + 4);
    Path file = write("big.safetensors", header, new byte[0]);
    long start = Files.size(file);
    // Elements around every gibibyte, where windows begin, and every two, where they end.
    List<Long> elements =
        Stream.of(0L, 1L, 2L, 3L, 4L, 5L)
            .map(gibibytes -> gibibytes << 29)
            .flatMap(at -> Stream.of(at - 2, at - 1, at, at + 1, at + 2))
            .filter(at -> at >= 0 && at < big / 2)
            .toList();
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      for (long element : elements) {
        ByteBuffer value = ByteBuffer.allocate(2).order(ByteOrder.LITTLE_ENDIAN);
        channel.write(value.putShort(0, tag(element)), start + 2 * element);
      }
      channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}), start + big);
    }

    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      for (long element : elements) {
        assertThat(checkpoint.slice("big", element, 1).getShort(0)).isEqualTo(tag(element));
      }
      ByteBuffer across = checkpoint.slice("big", (1L << 30) - 2, 4);
      for (int i = 0; i < 4; i++) {
        assertThat(across.getShort(2 * i)).isEqualTo(tag((1L << 30) - 2 + i));
      }
      // The largest slice there is, from the last byte but one of a window's first gibibyte.
      ByteBuffer largest = checkpoint.slice("big", (1L << 29) - 1, 1 << 29);
      assertThat(largest.limit()).isEqualTo(1 << 30);
      assertThat(largest.getShort(0)).isEqualTo(tag((1L << 29) - 1));
      assertThat(largest.getShort((1 << 30) - 2)).isEqualTo(tag((1L << 30) - 2));
      assertThat(checkpoint.slice("last", 0, 4).get(3)).isEqualTo((byte) 4);
      assertThatThrownBy(() -> checkpoint.slice("big", 0, (1 << 29) + 1))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("at most 1073741824");
    }
  }

  private static short tag(long element) {
    return (short) (element * 31 + 7);
  }

  @Test
  void rejectsATensorThatWasCutOffAfterOpening() throws IOException {
    Path file = write("model.safetensors", VALID, new byte[40]);
    try (Checkpoint checkpoint = Checkpoint.open(file);
        FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.truncate(Files.size(file) - 1);
      assertThat(checkpoint.slice("w", 0, 1).getFloat()).isZero();
      assertThatThrownBy(() -> checkpoint.slice("i", 0, 1))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("truncated while it was read")
          .hasMessageContaining("tensor 'i'");
    }
  }

  static Stream<Arguments> malformedHeaders() {
    String f32 = "{\"t\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":%s}}";
    String entry = "{\"t\":{\"dtype\":%s,\"shape\":[2],\"data_offsets\":[0,8]}}";
    String pair =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":%s},"
            + "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":%s}}";
    return Stream.of(
        // header, bytes of data, what the message must say
        Arguments.of(f32.formatted("[2]", "[0,8]"), 7, "'t'.*\\[0, 8\\].*7 bytes.*truncated"),
        Arguments.of(f32.formatted("[2]", "[0,8]"), 9, "1 bytes after the end of tensor 't'"),
        Arguments.of(f32.formatted("[2]", "[1,9]"), 9, "'t'.*1 bytes between.*the header"),
        Arguments.of(f32.formatted("[3]", "[0,8]"), 8, "'t'.*\\[3\\] × F32 takes 12.*hold 8"),
        Arguments.of(f32.formatted("[2]", "[8,0]"), 8, "'t'.*\\[8, 0\\] are outside"),
        Arguments.of(f32.formatted("[2]", "[0,8,9]"), 8, "'t'.*data_offsets has more than 2"),
        Arguments.of(f32.formatted("[2]", "[0]"), 8, "'t'.*data_offsets must be two"),
        Arguments.of(f32.formatted("[2]", "[-8,0]"), 8, "'t'.*data_offsets holds -8"),
        Arguments.of(f32.formatted("[2]", "[0,9223372036854775807]"), 8, "'t'.*are outside"),
        Arguments.of(f32.formatted("[2]", "[0,18446744073709551615]"), 8, "'t'.*overflows"),
        Arguments.of(f32.formatted("[-2]", "[0,8]"), 8, "'t'.*shape holds -2"),
        Arguments.of(f32.formatted("[-0]", "[0,0]"), 0, "'t'.*shape holds -0"),
        Arguments.of(f32.formatted("[2.0]", "[0,8]"), 8, "'t'.*shape holds 2.0"),
        Arguments.of(f32.formatted("[2e0]", "[0,8]"), 8, "'t'.*shape holds 2e0"),
        Arguments.of(f32.formatted("[\"2\"]", "[0,8]"), 8, "'t'.*shape holds 2"),
        Arguments.of(f32.formatted("[null]", "[0,8]"), 8, "'t'.*shape holds null"),
        Arguments.of(f32.formatted("[[2]]", "[0,8]"), 8, "'t'.*shape holds \\["),
        Arguments.of(f32.formatted("2", "[0,8]"), 8, "'t'.*shape must be an array"),
        Arguments.of(
            f32.formatted("[4294967296,4294967296]", "[0,0]"), 0, "'t'.*overflows 64 bits"),
        Arguments.of(
            f32.formatted("[0,4294967296,4294967296]", "[0,0]"), 0, "'t'.*overflows 64 bits"),
        Arguments.of(f32.formatted("[2305843009213693952]", "[0,0]"), 0, "'t'.*overflows"),
        Arguments.of(f32.formatted("[99999999999999999999]", "[0,8]"), 8, "'t'.*overflows"),
        Arguments.of(
            f32.formatted("[" + "1,".repeat(299) + "2]", "[0,8]"), 8, "'t'.*more than 256"),
        Arguments.of(entry.formatted("\"F12\""), 8, "'t'.*unknown dtype 'F12'.*F32"),
        Arguments.of(entry.formatted("\"f32\""), 8, "'t'.*unknown dtype 'f32'"),
        Arguments.of(entry.formatted("\"F4\""), 8, "'t'.*unknown dtype 'F4'"),
        Arguments.of(entry.formatted("32"), 8, "'t'.*dtype must be a text"),
        Arguments.of("{\"t\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "'t'.*dtype is missing"),
        Arguments.of(
            "{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "'t'.*shape is missing"),
        Arguments.of(
            "{\"t\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "'t'.*data_offsets is missing"),
        Arguments.of("{\"t\":[1]}", 8, "'t'.*expected an object"),
        Arguments.of(pair.formatted("[0,4]", "[3,7]"), 8, "'b'.*from 3 on overlap.*'a'"),
        Arguments.of(pair.formatted("[0,4]", "[0,4]"), 8, "'b'.*from 0 on overlap.*'a'"),
        Arguments.of(pair.formatted("[0,4]", "[5,9]"), 9, "'b'.*1 bytes between.*'a'"),
        Arguments.of(pair.formatted("[0,4]", "[5,9]"), 8, "'b'.*\\[5, 9\\].*8 bytes"),
        Arguments.of(
            pair.formatted("[0,4]", "[4,8]").replace("\"b\"", "\"a\""), 8, "Duplicate field 'a'"),
        Arguments.of(
            "{\"t\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
            1,
            "Duplicate field 'dtype'"),
        Arguments.of("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "Duplicate field 'k'"),
        Arguments.of("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "Duplicate field"),
        Arguments.of("{\"__metadata__\":{\"k\":1}}", 0, "__metadata__.*'k' is no text"),
        Arguments.of("{\"__metadata__\":[]}", 0, "__metadata__ is no map"),
        Arguments.of("{\"\\ud800\":{}}", 0, "half a surrogate pair"),
        Arguments.of("{\"__metadata__\":{\"k\":\"\\udc00\"}}", 0, "half a surrogate pair"),
        Arguments.of("{}", 3, "3 bytes after the end of the header"),
        Arguments.of(
            "{",
            0,
            "not valid JSON: Unexpected end-of-input: expected close marker for Object"
                + " \\(start marker at line: 1, column: 1\\) \\(character 1\\)$"),
        Arguments.of("{}x", 0, "not valid JSON"),
        Arguments.of("{} {}", 0, "text after the JSON object"),
        Arguments.of("{'t':1}", 0, "not valid JSON"),
        Arguments.of("{\"t\":NaN}", 0, "not valid JSON"),
        Arguments.of("{/**/}", 0, "not valid JSON"),
        Arguments.of("{\"t\":" + "[".repeat(100_000), 0, "'t'.*expected an object"),
        Arguments.of("{\"t\":{\"x\":" + "[".repeat(100_000), 0, "not valid JSON.*nesting depth"),
        Arguments.of("[]", 0, "does not start with '\\{'"),
        Arguments.of(" {}", 0, "does not start with '\\{'"),
        Arguments.of("\uFEFF{}", 0, "does not start with '\\{'"),
        Arguments.of("", 0, "does not start with '\\{'"));
  }

  @ParameterizedTest
  @MethodSource("malformedHeaders")
  void rejectsWhatTheFormatForbidsNamingFileAndTensor(String header, int bytes, String message)
      throws IOException {
    Path file = write("bad.safetensors", header, new byte[bytes]);

    assertThatThrownBy(() -> Checkpoint.open(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(file.toString())
        .hasMessageMatching("(?s).*" + message + ".*");
  }

  @Test
  void acceptsWhatTheReferenceImplementationAccepts() throws IOException {
    for (String header :
        List.of(
            "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":{\"y\":[1]}}}",
            "{\"__metadata__\":null,\"t\":{\"data_offsets\":[0,8],\"shape\":[2],\"dtype\":\"F32\"}}",
            "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}\n\t   ",
            "{\"\":{\"dtype\":\"C64\",\"shape\":[1,1],\"data_offsets\":[0,8]}}",
            "{\"z\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[5,8]},"
                + "\"y\":{\"dtype\":\"F8_E8M0\",\"shape\":[5],\"data_offsets\":[0,5]},"
                + "\"x\":{\"dtype\":\"BOOL\",\"shape\":[0],\"data_offsets\":[5,5]}}")) {
      try (Checkpoint checkpoint = Checkpoint.open(write("ok.safetensors", header, new byte[8]))) {
        assertThat(checkpoint.tensors()).as(header).isNotEmpty();
      }
    }
    try (Checkpoint none = Checkpoint.open(write("none.safetensors", "{}", new byte[0]))) {
      assertThat(none.tensors()).isEmpty();
    }
  }

  @Test
  void rejectsHeadersThatAreNoUtf8() throws IOException {
    for (byte[] name :
        new byte[][] {
          {(byte) 0xFF}, // never a byte of UTF-8
          {(byte) 0xC0, (byte) 0xAF}, // an overlong slash
          {(byte) 0xED, (byte) 0xA0, (byte) 0x80}, // a surrogate
          {(byte) 0xE2, (byte) 0x82} // cut off
        }) {
      byte[] header = concat("{\"".getBytes(UTF_8), name, "\":{}}".getBytes(UTF_8));
      Path file = folder.resolve("bad.safetensors");
      Files.write(file, concat(length(header.length), header));

      assertThatThrownBy(() -> Checkpoint.open(file))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("header is not UTF-8");
    }
    byte[] utf16 = "{}".getBytes(java.nio.charset.StandardCharsets.UTF_16LE);
    Path file = folder.resolve("utf16.safetensors");
    Files.write(file, concat(length(utf16.length), utf16));
    assertThatThrownBy(() -> Checkpoint.open(file)).isInstanceOf(InvalidInput.class);
  }

  @Test
  void rejectsHeaderLengthsBeyondFileAndLimitWithoutAllocating() throws IOException {
    Path file = folder.resolve("bad.safetensors");
    for (long length : new long[] {3, 100_000_000, 100_000_001, Long.MAX_VALUE, -1, 1L << 63}) {
      Files.write(file, concat(length(length), "{}".getBytes(UTF_8)));
      assertThatThrownBy(() -> Checkpoint.open(file))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining(Long.toUnsignedString(length));
    }
    for (int bytes = 0; bytes < 8; bytes++) {
      Files.write(file, new byte[bytes]);
      assertThatThrownBy(() -> Checkpoint.open(file))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining(bytes + " bytes");
    }
  }

  @Test
  void rejectsAHeaderOverTheLimitThoughTheFileHoldsIt() throws IOException {
    Path file = folder.resolve("huge-header.safetensors");
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(concat(length(100_000_001), "{}".getBytes(UTF_8))));
      channel.write(ByteBuffer.allocate(1), 100_000_100);
    }
    assertThatThrownBy(() -> Checkpoint.open(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("100000001 bytes, at most 100000000");
  }

  @Test
  void readsAHeaderOfManyMegabytes() throws IOException {
    Path file = write("padded.safetensors", "{}" + " ".repeat(50_000_000), new byte[0]);
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      assertThat(checkpoint.tensors()).isEmpty();
    }
  }

  /** Damage of every kind gives either a reading or a rejection, never any other exception. */
  @Test
  void survivesRandomMutations() throws IOException {
    byte[] header = VALID.getBytes(UTF_8);
    byte[] valid = concat(length(header.length), header, new byte[40]);
    String[] tokens = {
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "\"",
      "-1",
      "0",
      "9223372036854775807",
      "1e5",
      "null",
      "true",
      "\"F32\"",
      "\"shape\"",
      "\\u0000",
      "\\ud800",
      "__metadata__",
      "data_offsets",
      " "
    };
    Random random = new Random(20_240_917);
    Path file = folder.resolve("mutated.safetensors");
    int readings = 0;
    for (int round = 0; round < 6_000; round++) {
      byte[] bytes = valid.clone();
      for (int n = 1 + random.nextInt(3); n > 0; n--) {
        int at = random.nextInt(random.nextInt(10) == 0 ? Math.min(8, bytes.length) : bytes.length);
        switch (random.nextInt(5)) {
          case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
          case 1 -> bytes[at] = (byte) random.nextInt(256);
          case 2 -> bytes = Arrays.copyOf(bytes, Math.max(1, at));
          case 3 -> {
            byte[] token = tokens[random.nextInt(tokens.length)].getBytes(UTF_8);
            bytes =
                concat(
                    Arrays.copyOf(bytes, at), token, Arrays.copyOfRange(bytes, at, bytes.length));
            if (bytes.length > 8 && random.nextBoolean()) { // keep the header's length true
              bytes[0] = (byte) (bytes[0] + token.length);
            }
          }
          default -> {
            int until = at + random.nextInt(bytes.length - at);
            bytes =
                concat(Arrays.copyOf(bytes, at), Arrays.copyOfRange(bytes, until, bytes.length));
          }
        }
        if (bytes.length == 0) {
          bytes = new byte[1];
        }
      }
      Files.write(file, bytes);
      try (Checkpoint checkpoint = Checkpoint.open(file)) {
        readings++;
        long total = 0;
        for (TensorInfo tensor : checkpoint.tensors().values()) {
          ByteBuffer all = checkpoint.slice(tensor.name(), 0, (int) tensor.elements());
          for (int i = 0; i < all.limit(); i++) {
            total += all.get(i);
          }
        }
        assertThat(total).isNotEqualTo(Long.MIN_VALUE);
      } catch (InvalidInput rejected) {
        assertThat(rejected).hasMessageContaining(file.toString());
      }
    }
    assertThat(readings).as("mutations that left a valid file").isBetween(100, 5_900);
  }

  @Test
  void readsAFolderOfOneFile() throws IOException {
    write("model.safetensors", VALID, new byte[40]);
    Files.writeString(folder.resolve("config.json"), "{}");
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertThat(checkpoint.folder()).isEqualTo(Optional.of(folder));
      assertThat(checkpoint.path()).isEqualTo(folder);
      assertThat(checkpoint.tensors()).hasSize(4);
    }
  }

  @Test
  void readsAFolderOfParts() throws IOException {
    part("model-1.safetensors", "{\"format\":\"pt\",\"part\":\"1\"}", 1, "a", "b");
    part("model-2.safetensors", "{\"format\":\"pt\",\"part\":\"2\"}", 2, "c");
    index(
        Map.of("a", "model-1.safetensors", "b", "model-1.safetensors", "c", "model-2.safetensors"));
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertThat(checkpoint.folder()).isEqualTo(Optional.of(folder));
      assertThat(checkpoint.tensors().keySet()).containsExactly("a", "b", "c");
      assertThat(checkpoint.slice("b", 0, 1).get()).isEqualTo((byte) 1);
      assertThat(checkpoint.slice("c", 0, 1).get()).isEqualTo((byte) 2);
      assertThat(checkpoint.metadata()).isEqualTo(Map.of("format", "pt"));
    }
  }

  /** The Hugging Face cache keeps files elsewhere and links them into the folder. */
  @Test
  void followsTheLinksOfACache() throws IOException {
    Path blobs = Files.createDirectory(folder.resolve("blobs"));
    Path snapshot = Files.createDirectory(folder.resolve("snapshot"));
    Files.move(write("x", VALID, new byte[40]), blobs.resolve("0123"));
    Files.createSymbolicLink(snapshot.resolve("model.safetensors"), Path.of("..", "blobs", "0123"));
    try (Checkpoint checkpoint = Checkpoint.open(snapshot)) {
      assertThat(checkpoint.tensors()).hasSize(4);
    }
  }

  @Test
  void rejectsAFolderWhoseIndexAndPartsDisagree() throws IOException {
    part("model-1.safetensors", "{}", 1, "a");
    part("model-2.safetensors", "{}", 2, "a", "b");

    index(Map.of("a", "model-1.safetensors", "b", "model-3.safetensors"));
    assertRejected("model-3.safetensors does not exist");
    index(Map.of("a", "model-1.safetensors", "z", "model-1.safetensors"));
    assertRejected("tensor 'z' is in model-1.safetensors, but it is not");
    index(Map.of("a", "model-1.safetensors", "b", "model-2.safetensors"));
    assertRejected("tensor 'a' is in two parts");
    index(Map.of("a", "model-2.safetensors"));
    assertRejected("tensor 'b' is not listed in model.safetensors.index.json");
  }

  @Test
  void rejectsPartsOutsideTheFolder() throws IOException {
    part("model-1.safetensors", "{}", 1, "a");
    for (String name :
        List.of(
            "../model-1.safetensors",
            "/etc/passwd",
            "sub/x",
            "..",
            ".",
            "",
            "a\\\\b",
            "a\\u0000")) {
      Files.writeString(
          folder.resolve("model.safetensors.index.json"),
          "{\"weight_map\":{\"a\":\"" + name + "\"}}");
      assertRejected("of tensor 'a' is no plain file name within the folder");
    }
  }

  @Test
  void rejectsDamagedIndexes() throws IOException {
    Path index = folder.resolve("model.safetensors.index.json");
    for (Map.Entry<String, String> damaged :
        Map.of(
                "", "expected a JSON object",
                "{}", "no weight_map",
                "[]", "expected a JSON object",
                "{\"weight_map\":[]}", "weight_map is no map",
                "{\"weight_map\":{\"a\":1}}", "part of tensor 'a' is no file name",
                "{\"weight_map\":{\"a\":\"x\",\"a\":\"y\"}}", "Duplicate field 'a'",
                "{\"weight_map\":{\"a\":\"x\"}", "not valid JSON",
                "{\"weight_map\":{}} trailing", "not valid JSON")
            .entrySet()) {
      Files.writeString(index, damaged.getKey());
      assertThatThrownBy(() -> Checkpoint.open(folder))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining(index.toString())
          .hasMessageContaining(damaged.getValue());
    }
  }

  @Test
  void rejectsWhatIsNoModel() throws IOException {
    assertThatThrownBy(() -> Checkpoint.open(folder))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("neither model.safetensors nor model.safetensors.index.json");
    assertThatThrownBy(() -> Checkpoint.open(folder.resolve("absent.safetensors")))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("absent.safetensors does not exist");
    Path index = Files.writeString(folder.resolve("model.safetensors.index.json"), "{}");
    assertThatThrownBy(() -> Checkpoint.open(index))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("give the folder");
    assertThatThrownBy(() -> Checkpoint.open(Path.of("/dev/null")))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("no regular file");
  }

  private void assertRejected(String message) {
    assertThatThrownBy(() -> Checkpoint.open(folder))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(folder.toString())
        .hasMessageContaining(message);
  }

  /** One-byte tensors that all hold the same value. */
  private void part(String name, String metadata, int value, String... tensors) throws IOException {
    StringBuilder header = new StringBuilder("{\"__metadata__\":" + metadata);
    for (int i = 0; i < tensors.length; i++) {
      header.append(
          String.format(
              Locale.ROOT,
              ",\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
              tensors[i],
              i,
              i + 1));
    }
    byte[] data = new byte[tensors.length];
    Arrays.fill(data, (byte) value);
    write(name, header + "}", data);
  }

  private void index(Map<String, String> parts) throws IOException {
    String map =
        parts.entrySet().stream()
            .map(e -> "\"%s\":\"%s\"".formatted(e.getKey(), e.getValue()))
            .collect(Collectors.joining(","));
    Files.writeString(
        folder.resolve("model.safetensors.index.json"),
        "{\"metadata\":{\"total_size\":3},\"weight_map\":{" + map + "}}");
  }

  private Path write(String name, String header, byte[] data) throws IOException {
    byte[] json = header.getBytes(UTF_8);
    return Files.write(folder.resolve(name), concat(length(json.length), json, data));
  }

  private static byte[] length(long length) {
    return ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(length).array();
  }

  private static byte[] concat(byte[]... pieces) {
    ByteBuffer all = ByteBuffer.allocate(Arrays.stream(pieces).mapToInt(p -> p.length).sum());
    Arrays.stream(pieces).forEach(all::put);
    return all.array();
  }

  private static List<String> mapsOf(Path file) throws IOException {
    try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
      return maps.filter(line -> line.contains(file.getFileName().toString())).toList();
    }
  }

  private static List<Path> openDescriptorsOf(Path file) throws IOException {
    try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
      return descriptors
          .filter(
              descriptor -> {
                try {
                  return Files.readSymbolicLink(descriptor).equals(file.toRealPath());
                } catch (IOException e) {
                  return false; // the listing's own descriptor is gone by now
                }
              })
          .toList();
    }
  }
}
