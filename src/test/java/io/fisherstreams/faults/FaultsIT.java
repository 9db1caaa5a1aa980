package io.fisherstreams.faults;

import io.fisherstreams.kafka.KafkaSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every {@link Fault} in the same scenario, with the same {@link Guarantee}s: on three brokers,
 * with a coordinator and two merging instances in this process.
 */
@ExtendWith(FaultReport.Resolver.class)
class FaultsIT {
  @TempDir private static Path directory;
  private static Cluster cluster;
  private static Map<Set<String>, String> undisturbed;
  private static int pools;

  @BeforeAll
  static void start() throws Exception {
    cluster = Cluster.start(Files.createDirectories(directory.resolve("kafka")));
    Files.createDirectories(directory.resolve("models"));
  }

  @AfterAll
  static void stop() throws Exception {
    cluster.close();
  }

  private static KafkaSettings kafka() {
    return new KafkaSettings(
        cluster.bootstrapServers(),
        Map.of(
            "session.timeout.ms", "4000",
            "heartbeat.interval.ms", "1000",
            "max.poll.interval.ms", "6000",
            "transaction.timeout.ms", "8000"));
  }

  private static Map<Set<String>, String> inPool(Fault fault, FaultReport report) throws Exception {
    String name = "faults-" + ++pools;
    Path place = Files.createDirectories(directory.resolve(name));
    try (FaultedPool pool = new FaultedPool(name, kafka(), place)) {
      Map<Set<String>, String> checksums =
          pool.run(fault, directory.resolve("models"), undisturbed);
      pool.report(report, fault.name());
      return checksums;
    }
  }

  private static void guaranteesHold(Fault fault, FaultReport report) throws Exception {
    if (undisturbed == null) {
      undisturbed = inPool(() -> "none", report);
    }
    inPool(fault, report);
  }

  private static void examplesCountOnce(Fault fault, FaultReport report) throws Exception {
    String name = "faults-" + ++pools;
    Path place = Files.createDirectories(directory.resolve(name));
    try (FaultedPool pool = new FaultedPool(name, kafka(), place)) {
      new EstimatedRun(pool).run(fault);
      pool.report(report, "with gradient instances: " + fault.name());
    }
  }

  @Test
  @Tag("some-faults")
  void examplesCountOnceWhileBrokersBounceAmongPoisonRecords(FaultReport report) throws Exception {
    examplesCountOnce(
        new AllAtOnce(List.of(new PoisonRecords(), new BrokersBounce(cluster))), report);
  }

  @Test
  @Tag("faults")
  void examplesCountOnceWhileTheRegistryIsDown(FaultReport report) throws Exception {
    examplesCountOnce(new RegistryIsDown(), report);
  }

  @Test
  @Tag("some-faults")
  void guaranteesHoldUnderManyFaultsAtOnce(FaultReport report) throws Exception {
    guaranteesHold(
        new AllAtOnce(
            List.of(
                new PoisonRecords(),
                new OversizedRecords(),
                new DuplicatedAndReordered(7),
                new RebalanceDuringPlan(),
                new CallFails("coordinator", "commitTransaction", 1, 1, true))),
        report);
  }

  @Test
  @Tag("some-faults")
  void guaranteesHoldWhileBrokersBounce(FaultReport report) throws Exception {
    guaranteesHold(new BrokersBounce(cluster), report);
  }

  @Test
  @Tag("faults")
  void guaranteesHoldWhenCommitsFailAfterTheirEffect(FaultReport report) throws Exception {
    guaranteesHold(new CallFails("merge-1", "commitTransaction", 2, 2, true), report);
  }

  @Test
  @Tag("some-faults")
  void guaranteesHoldWhenAStalledInstanceComesBackAsAZombie(FaultReport report) throws Exception {
    guaranteesHold(new InstanceStalls(), report);
  }

  @Test
  @Tag("faults")
  void guaranteesHoldWhileInstancesJoinAndLeaveDuringAPlan(FaultReport report) throws Exception {
    guaranteesHold(new RebalanceDuringPlan(), report);
  }

  @Test
  @Tag("faults")
  void guaranteesHoldWhenStateIsDeleted(FaultReport report) throws Exception {
    guaranteesHold(new StateIsDeleted(), report);
  }

  @Test
  @Tag("faults")
  void guaranteesHoldWhileTheRegistryIsDown(FaultReport report) throws Exception {
    guaranteesHold(new RegistryIsDown(), report);
  }

  @Test
  @Tag("some-faults")
  void guaranteesHoldWhenReportsOvertakeManifests(FaultReport report) throws Exception {
    guaranteesHold(new ManifestsAreDelayed(), report);
  }

  @Test
  @Tag("some-faults")
  void guaranteesHoldWhenADiskIsFull(FaultReport report) throws Exception {
    try (SmallDisk disk = SmallDisk.mount(directory.resolve("small-disk"))) {
      guaranteesHold(new DiskIsFull(disk), report);
    } catch (IOException e) {
      report.skipped("disk of an instance's state directory full", e.getMessage());
      Assumptions.abort("no small file system can be mounted here: " + e.getMessage());
    }
  }

  @Test
  @Tag("faults")
  void guaranteesHoldAmongPoisonRecords(FaultReport report) throws Exception {
    guaranteesHold(new PoisonRecords(), report);
  }

  @Test
  @Tag("faults")
  void guaranteesHoldAmongOversizedRecords(FaultReport report) throws Exception {
    guaranteesHold(new OversizedRecords(), report);
  }

  @Test
  @Tag("faults")
  void guaranteesHoldAfterWrongTopicsAreMendedAsTheRejectionSays(FaultReport report)
      throws Exception {
    guaranteesHold(new WrongTopics(), report);
  }

  @Test
  @Tag("faults")
  void guaranteesHoldWhenAPublisherDuplicatesAndReorders(FaultReport report) throws Exception {
    guaranteesHold(new DuplicatedAndReordered(7), report);
  }

  /** Every call that a transaction is made of, of both stages, before and after its effect. */
  @Test
  @Tag("faults")
  void guaranteesHoldWhateverCallFails(FaultReport report) throws Exception {
    long seed = Long.getLong("fisherstreams.seed", System.nanoTime());
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    List<CallFails> faults = new ArrayList<>();
    for (String method :
        List.of("send", "flush", "commitTransaction", "sendOffsetsToTransaction")) {
      for (boolean isDone : new boolean[] {false, true}) {
        int every = 1 + random.nextInt(method.equals("send") ? 12 : 3);
        faults.add(new CallFails("merge-1", method, every, 3, isDone));
        faults.add(new CallFails("coordinator", method, 1 + random.nextInt(2), 1, isDone));
      }
    }
    for (CallFails fault : faults) {
      guaranteesHold(fault, report);
    }
  }
}
