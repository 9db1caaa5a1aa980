package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.RunningInstances;
import io.fisherstreams.record.Stage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * What happens to the kept sums of a pool of 16 models and more, whose two merging instances are
 * processes: one keeps all payloads, the other only recent ones. After each fault the newest
 * release has the bytes of a merge of the present models' files.
 */
@ExtendWith(FaultReport.Resolver.class)
class KeptSumsFaultsIT {
  private static final String RECENT = "merge-1";
  private static final String ALL = "merge-2";

  @TempDir private static Path directory;
  private static ProcessPool processes;
  private static FaultedPool pool;
  private static StageProcess recent;
  private static StageProcess all;
  private static int made;
  private static final SortedMap<String, Model> MODELS = new TreeMap<>();

  @BeforeAll
  static void start() throws Exception {
    processes = new ProcessPool(directory);
    pool = processes.pool();
    recent = processes.merge(RECENT, "merge:\n  local_payloads: recent\n");
    all = processes.merge(ALL, "merge:\n  local_payloads: all\n");
    for (int m = 0; m < 16; m++) {
      publish("m" + m);
    }
    awaitBothMerge();
    publish("m16");
    requireReleased();
  }

  @AfterAll
  static void stop() {
    MODELS.clear();
    if (processes != null) {
      processes.close();
    }
  }

  private static void publish(String name) {
    Model model = Model.random(directory, name, 1000 + made++);
    processes.publish(model);
    MODELS.put(name, model);
  }

  private static void withdraw(String name) {
    processes.cli("withdraw", name);
    MODELS.remove(name);
  }

  private static void requireReleased() throws IOException {
    pool.awaitRelease(MODELS.keySet());
    processes.requireSameAsTheMergeCommand(List.copyOf(MODELS.values()));
  }

  /** Waits until each of the two processes has partitions. */
  private static void awaitBothMerge() {
    String group = Stage.MERGE.group("pool");
    KafkaSettings kafka = processes.kafka();
    try (Admin admin = kafka.admin()) {
      pool.await(
          "both instances to merge",
          () -> {
            try {
              return RunningInstances.list(admin, group).stream()
                      .filter(instance -> instance.partitions() > 0)
                      .count()
                  == 2;
            } catch (KafkaException e) {
              return false; // the group moves
            }
          });
    }
  }

  /** The folders of sums of an instance. */
  private static List<Path> folders(String instance) throws IOException {
    try (Stream<Path> partitions = Files.list(payloads(instance))) {
      return partitions.map(partition -> partition.resolve("sums")).filter(Files::exists).toList();
    }
  }

  private static Path payloads(String instance) {
    return processes.state(instance).resolve(Stage.MERGE.text()).resolve("payloads");
  }

  private static List<Path> sums(String instance) throws IOException {
    List<Path> files = new ArrayList<>();
    for (Path folder : folders(instance)) {
      try (Stream<Path> inside = Files.list(folder)) {
        inside.forEach(files::add);
      }
    }
    return files;
  }

  /** Kills an instance as soon as it has written to its sums. */
  private static void killWhenItWrites(String instance, StageProcess victim, Runnable change)
      throws Exception {
    try (WatchService watch = directory.getFileSystem().newWatchService()) {
      for (Path folder : folders(instance)) {
        folder.register(watch, StandardWatchEventKinds.ENTRY_MODIFY);
      }
      change.run();
      WatchKey written = watch.poll(1, TimeUnit.MINUTES);
      victim.kill();
      assertThat(written).as("a write to the sums of " + instance + victim.log()).isNotNull();
      assertThat(pool.hasReleased(MODELS.keySet())).as("killed before the release").isFalse();
    }
    victim.start();
  }

  @Test
  @Tag("faults")
  void aKillInTheMiddleOfASumsStepLeavesNoTrace(FaultReport report) throws Exception {
    awaitBothMerge();
    killWhenItWrites(RECENT, recent, () -> publish("killed-1"));
    requireReleased();
    awaitBothMerge();
    killWhenItWrites(ALL, all, () -> publish("killed-2"));
    requireReleased();
    awaitBothMerge();
    killWhenItWrites(RECENT, recent, () -> withdraw("killed-1"));
    requireReleased();
    pool.report(report, "instances killed while they write kept sums");
  }

  @Test
  @Tag("faults")
  void damagedSumsAreBuiltAnew(FaultReport report) throws Exception {
    awaitBothMerge();
    recent.stop();
    all.stop();
    for (String instance : List.of(RECENT, ALL)) {
      assertThat(sums(instance)).isNotEmpty().allSatisfy(KeptSumsFaultsIT::damage);
    }
    recent.start();
    all.start();
    publish("after-damage");
    requireReleased();
    pool.report(report, "files of kept sums damaged");
  }

  /** Changes a bit of every 64 KiB, in headers and in sums. */
  private static void damage(Path file) {
    try {
      byte[] content = Files.readAllBytes(file);
      for (int at = 20; at < content.length; at += 1 << 16) {
        content[at] ^= 1;
      }
      Files.write(file, content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  @Tag("faults")
  void aFullDiskWhileSumsAreWrittenEndsTheInstance(FaultReport report) throws Exception {
    awaitBothMerge();
    all.stop();
    List<SmallDisk> disks = new ArrayList<>();
    try {
      for (int partition = 0; partition < FaultedPool.PARTITIONS; partition++) {
        Path folder = payloads(ALL).resolve(Integer.toString(partition)).resolve("sums");
        disks.add(SmallDisk.mount(folder));
      }
      all.start();
      awaitBothMerge();
      publish("disk-full");
      assertThat(all.join()).contains("there is no space left");
      assertThat(all.exitCode()).isEqualTo(1);
      requireReleased();
    } catch (IOException e) {
      report.skipped("disk of kept sums full", e.getMessage());
      Assumptions.abort("no small file system can be mounted here: " + e.getMessage());
    } finally {
      for (SmallDisk disk : disks) {
        disk.close();
      }
      all.start();
    }
    awaitBothMerge();
    publish("disk-free");
    requireReleased();
    pool.report(report, "disk of kept sums full");
  }

  @Test
  @Tag("faults")
  void aPartitionMovesWithAndWithoutItsSums(FaultReport report) throws Exception {
    for (StageProcess moving : List.of(all, recent)) {
      awaitBothMerge();
      moving.stop();
      publish("without-" + MODELS.size()); // the other instance builds sums
      requireReleased();
      moving.start(); // with sums that are out of date
      awaitBothMerge();
      withdraw(MODELS.firstKey());
      requireReleased();
      moving.stop();
      moving.start(); // with its sums
      awaitBothMerge();
      publish("with-" + MODELS.size());
      requireReleased();
    }
    pool.report(report, "partitions moved with and without their kept sums");
  }
}
