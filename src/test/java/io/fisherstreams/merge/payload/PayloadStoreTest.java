package io.fisherstreams.merge.payload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.record.ModelVersion;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PayloadStoreTest {
  private static final Duration KEEP = Duration.ofMinutes(10);

  @TempDir private Path directory;
  private long now = Long.MAX_VALUE - 5; // a clock of this kind may wrap around
  private PayloadStore store;

  @BeforeEach
  void open() {
    store = PayloadStore.open(directory, () -> now);
  }

  @AfterEach
  void close() {
    store.close();
  }

  private PartitionPayloads use(int partition) {
    PartitionPayloads payloads = store.partition(partition);
    payloads
        .file(new ModelVersion("a", 1), PayloadName.CHECKPOINT)
        .write(0, 0, ByteBuffer.allocate(4));
    payloads
        .file(new ModelVersion("b", 1), PayloadName.CHECKPOINT)
        .write(0, 0, ByteBuffer.allocate(4));
    return payloads;
  }

  private Path folder(int partition) {
    return directory.resolve(Integer.toString(partition));
  }

  private void pass(Duration time) {
    now += time.toNanos();
    store.clean(KEEP);
  }

  @Test
  void thePayloadsOfAPartitionThatWasGivenAwayAreRemovedAfterAWhile() {
    PartitionPayloads stays = use(0);
    use(1).close();
    pass(KEEP.minusNanos(1));
    assertThat(folder(1)).isDirectoryContaining(file -> file.endsWith("b@1"));
    pass(Duration.ofNanos(1));
    assertThat(folder(1)).doesNotExist();
    assertThat(folder(0)).isDirectoryContaining(file -> file.endsWith("b@1"));
    stays.close();
  }

  @Test
  void aPartitionThatComesBackInTimeKeepsItsPayloads() {
    use(0).close();
    pass(KEEP.minusNanos(1));
    PartitionPayloads again = store.partition(0);
    pass(KEEP);
    assertThat(folder(0)).exists();
    again.close();
    pass(KEEP.minusNanos(1));
    assertThat(folder(0)).as("the while begins anew").exists();
    pass(KEEP);
    assertThat(folder(0)).doesNotExist();
  }

  @Test
  void aPartitionStaysWhileOneOfTwoTasksHasIt() {
    PartitionPayloads first = use(0);
    PartitionPayloads second = store.partition(0);
    first.close();
    pass(KEEP);
    assertThat(folder(0)).exists();
    second.close();
    pass(KEEP);
    assertThat(folder(0)).doesNotExist();
  }

  @Test
  void whatAProcessBeforeLeftIsRemovedUnlessATaskTakesIt() throws Exception {
    use(0).close();
    use(1).close();
    Files.createDirectory(directory.resolve("other"));
    store.close();
    open();
    PartitionPayloads taken = store.partition(1);
    pass(KEEP.minusNanos(1));
    assertThat(folder(0)).exists();
    pass(Duration.ofNanos(1));
    assertThat(directory)
        .isDirectoryNotContaining(file -> file.equals(folder(0)))
        .isDirectoryContaining(file -> file.equals(folder(1)))
        .isDirectoryContaining(file -> file.endsWith("other"))
        .isDirectoryContaining(file -> file.endsWith("lock"));
    taken.close();
  }

  private static ByteBuffer bytes(int value) {
    return ByteBuffer.allocate(4).putInt(0, value);
  }

  /** Payloads are read and checked in pieces, the last of which is a short one. */
  @Test
  void everyByteOfAPayloadIsReadAndChecked() throws Exception {
    byte[] payload = new byte[700_001];
    new Random(1).nextBytes(payload);
    CRC32C crc = new CRC32C();
    crc.update(payload);
    try (PartitionPayloads payloads = store.partition(0)) {
      payloads
          .file(new ModelVersion("a", 1), PayloadName.CHECKPOINT)
          .write(3, 17, ByteBuffer.wrap(payload));
    }
    Path file = folder(0).resolve("a@1").resolve("checkpoint");
    for (int damaged : new int[] {0, 300_000, 700_000}) {
      byte[] content = Files.readAllBytes(file);
      content[17 + damaged] ^= 1;
      Files.write(file, content);
      try (PartitionPayloads payloads = store.partition(0)) {
        PayloadFile found = payloads.file(new ModelVersion("a", 1), PayloadName.CHECKPOINT);
        assertThat(found.holds(3, 17, payload.length, (int) crc.getValue())).isFalse();
      }
      content[17 + damaged] ^= 1;
      Files.write(file, content);
    }
    try (PartitionPayloads payloads = store.partition(0)) {
      PayloadFile found = payloads.file(new ModelVersion("a", 1), PayloadName.CHECKPOINT);
      assertThat(found.holds(3, 17, payload.length, (int) crc.getValue())).isTrue();
      ByteBuffer target = ByteBuffer.allocateDirect(payload.length + 5);
      found.read(17, payload.length, target);
      assertThat(target).isEqualTo(ByteBuffer.wrap(payload));
    }
  }

  @Test
  void aFileThatEndsTooEarlyHoldsNothingAndCannotBeRead() {
    try (PartitionPayloads payloads = store.partition(0)) {
      payloads.file(new ModelVersion("a", 1), PayloadName.CHECKPOINT).write(0, 0, bytes(11));
    }
    try (PartitionPayloads payloads = store.partition(0)) {
      PayloadFile file = payloads.file(new ModelVersion("a", 1), PayloadName.CHECKPOINT);
      assertThat(file.holds(0, 0, 5, 0)).isFalse();
      assertThatThrownBy(() -> file.read(2, 3, ByteBuffer.allocateDirect(7)))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(file.path() + " ends before 5");
    }
  }

  @Test
  void theFilesOfARetiredVersionAreWrittenOverByTheNext() throws Exception {
    try (PartitionPayloads payloads = store.partition(0)) {
      payloads.file(new ModelVersion("a", 1), PayloadName.CHECKPOINT).write(1, 4, bytes(11));
      payloads.file(new ModelVersion("a", 1), PayloadName.fisher(3)).write(0, 0, bytes(13));
      Object checkpoint = inode("a@1/checkpoint");
      Object fisher = inode("a@1/fisher-3");
      payloads.drop(new ModelVersion("a", 1));
      assertThat(folder(0)).isDirectoryNotContaining(file -> file.endsWith("a@1"));

      PayloadFile next = payloads.file(new ModelVersion("b", 7), PayloadName.CHECKPOINT);
      assertThat(next.holds(1, 4, 4, PayloadFile.crc(bytes(11))))
          .as("nothing is written")
          .isFalse();
      next.write(0, 0, bytes(21));
      payloads.file(new ModelVersion("b", 7), PayloadName.fisher(1)).write(0, 0, bytes(22));
      assertThat(inode("b@7/checkpoint")).isEqualTo(checkpoint);
      assertThat(inode("b@7/fisher-1")).isEqualTo(fisher);
      assertThat(next.holds(0, 0, 4, PayloadFile.crc(bytes(21)))).isTrue();
      assertThat(next.holds(1, 4, 4, PayloadFile.crc(bytes(23))))
          .as("what another version left is not what the state names")
          .isFalse();
      assertThat(
              payloads
                  .file(new ModelVersion("c", 1), PayloadName.CHECKPOINT)
                  .holds(0, 0, 4, PayloadFile.crc(bytes(21))))
          .isFalse();
    }
  }

  @Test
  void ofEachKindOneFileIsSpare() {
    try (PartitionPayloads payloads = store.partition(0)) {
      for (int version = 1; version <= 3; version++) {
        for (PayloadName name :
            List.of(
                PayloadName.CHECKPOINT,
                PayloadName.fisher(1),
                PayloadName.fisher(2),
                PayloadName.open(0),
                PayloadName.open(1))) {
          payloads.file(new ModelVersion("a", version), name).write(0, 0, bytes(version));
        }
      }
      payloads.drop(new ModelVersion("a", 1), PayloadName.fisher(1));
      for (int version = 1; version <= 3; version++) {
        payloads.drop(new ModelVersion("a", version));
      }
      assertThat(folder(0).resolve("spare").toFile().list())
          .as("batches of an open epoch are not worth the disk")
          .containsExactlyInAnyOrder("checkpoint", "fisher");
    }
  }

  private Object inode(String file) throws Exception {
    return Files.getAttribute(folder(0).resolve(file), "unix:ino");
  }
}
