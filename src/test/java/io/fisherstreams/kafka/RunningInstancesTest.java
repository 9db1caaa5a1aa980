package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.Build;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.MemberAssignment;
import org.apache.kafka.clients.admin.MemberDescription;
import org.junit.jupiter.api.Test;

class RunningInstancesTest {
  private static MemberDescription member(String id, String client, String host) {
    return new MemberDescription(
        id,
        Optional.empty(),
        Optional.empty(),
        client,
        host,
        new MemberAssignment(Set.of()),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  @Test
  void aProcessIsOneInstanceHoweverManyThreadsItHas() {
    assertThat(
            RunningInstances.text(
                List.of(
                    member("1", "p-merge-aaaa-StreamThread-1-consumer", "/10.0.0.1"),
                    member("2", "p-merge-aaaa-StreamThread-2-consumer", "/10.0.0.1"),
                    member("3", "p-merge-bbbb-StreamThread-1-consumer", "/10.0.0.1"),
                    member("4", "p-merge-cccc-StreamThread-1-consumer", "/10.0.0.2"))))
        .isEqualTo("3 instances on 10.0.0.1, 10.0.0.2: 0 topic partitions");
  }

  @Test
  void aMemberWithoutThreadsIsAnInstance() {
    assertThat(
            RunningInstances.text(
                List.of(
                    member("1", "consumer-p-gate-1", "/10.0.0.1"),
                    member("2", "consumer-p-gate-1", "/10.0.0.1"))))
        .isEqualTo("2 instances on 10.0.0.1: 0 topic partitions");
    assertThat(RunningInstances.text(List.of(member("1", "consumer-p-gate-1", "/10.0.0.1"))))
        .isEqualTo("1 instance on 10.0.0.1: 0 topic partitions");
  }

  @Test
  void buildsAreToldOnceEach() {
    assertThat(
            RunningInstances.text(
                List.of(
                    member("1", "p-merge-a-build-1.2.0_0abc-dirty-StreamThread-1-x", "/10.0.0.1"),
                    member("2", "p-merge-a-build-1.2.0_0abc-dirty-StreamThread-2-x", "/10.0.0.1"),
                    member("3", "p-merge-b-build-1.3.0_-StreamThread-1-x", "/10.0.0.1"))))
        .isEqualTo(
            "2 instances on 10.0.0.1: 0 topic partitions,"
                + " version 1.2.0 (commit 0abc-dirty) and 1.3.0");
    String own = RunningInstances.newClientId("p-gate");
    assertThat(RunningInstances.list(List.of(member("1", own, "/10.0.0.1"))))
        .singleElement()
        .satisfies(instance -> assertThat(instance.build()).contains(Build.current()));
  }

  @Test
  void nobodyIsSaidPlainly() {
    assertThat(RunningInstances.text(List.of())).isEqualTo("no instance is running");
  }
}
