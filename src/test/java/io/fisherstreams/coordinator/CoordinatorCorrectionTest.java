package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.AcceptedManifests;
import io.fisherstreams.record.Correction;
import io.fisherstreams.record.ModelManifest;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.test.TestRecord;
import org.junit.jupiter.api.Test;

/** What the coordinator sends to {@code models} after it has rejected a manifest. */
class CoordinatorCorrectionTest extends CoordinatorFixture {
  private List<TestRecord<byte[], byte[]>> corrections() {
    return stage.read(topics.models());
  }

  private ModelManifest manifest(TestRecord<byte[], byte[]> record) {
    return topics.models().value().deserializer().deserialize("models", record.value());
  }

  private void pipe(String key, ModelManifest manifest, Headers headers) {
    stage
        .driver()
        .createInputTopic(
            topics.models().name(), new StringSerializer(), topics.models().value().serializer())
        .pipeInput(new TestRecord<>(key, manifest, headers));
  }

  @Test
  void theAcceptedManifestFollowsARejectedOne() {
    arriveBase();
    ModelManifest accepted = Models.model("a", 7).setCoefficient(0.25).build();
    announce(accepted); // offset 1
    announce(Models.model("a", 6).build()); // stale
    assertThat(corrections())
        .singleElement()
        .satisfies(
            record -> {
              assertThat(new String(record.key(), StandardCharsets.UTF_8)).isEqualTo("a");
              assertThat(manifest(record)).isEqualTo(accepted);
              assertThat(Correction.corrected(record.headers())).hasValue(2);
            });
    stage.pipe(topics.models().name(), "a".getBytes(StandardCharsets.UTF_8), new byte[] {1});
    assertThat(corrections())
        .singleElement()
        .satisfies(record -> assertThat(manifest(record)).isEqualTo(accepted));
    assertThat(stage.reasons(topics)).hasSize(2);
  }

  @Test
  void aTombstoneFollowsARejectedManifestOfAModelThatThePoolDoesNotHave() {
    arriveBase();
    ModelManifest second = Models.base(1, Models.method(true, 1e-6));
    second.setModel("other");
    announce(second);
    withdraw("a");
    stage.pipe(topics.models().name(), new byte[] {(byte) 0xff}, new byte[] {1}); // no text
    assertThat(corrections())
        .hasSize(2)
        .allSatisfy(record -> assertThat(record.value()).isNull())
        .last()
        .satisfies(record -> assertThat(record.key()).containsExactly(0xff));
    assertThat(stage.reasons(topics)).hasSize(2);
  }

  @Test
  void aVersionFarAheadOfTheClockDoesNotLoseTheName() {
    arriveBase();
    arrive("a", 1);
    announce(Models.model("a", Long.MAX_VALUE).build());
    long aDayAhead = wallClock.toEpochMilli() + 86_400_000;
    announce(Models.model("a", aDayAhead + 1).build());
    assertThat(stage.reasons(topics))
        .hasSize(2)
        .allSatisfy(r -> assertThat(r).contains("expected at most " + aDayAhead));
    assertThat(corrections()).hasSize(2);
    arrive("a", 2);
    assertThat(plans())
        .singleElement()
        .satisfies(plan -> assertThat(models(plan)).containsExactly("a@2"));
  }

  @Test
  void aCorrectionThatAChangeHasOvertakenIsCorrected() {
    arriveBase();
    ModelManifest before = Models.model("a", 1).build();
    announce(before);
    ModelManifest weighed = Models.model("a", 1).setCoefficient(3.0).build();
    announce(weighed);
    pipe("a", before, Correction.headers(1)); // sent before the coordinator read the new weight
    assertThat(corrections())
        .singleElement()
        .satisfies(record -> assertThat(manifest(record)).isEqualTo(weighed));
    withdraw("a");
    pipe("a", before, Correction.headers(1));
    assertThat(corrections())
        .singleElement()
        .satisfies(record -> assertThat(record.value()).isNull());
    assertThat(stage.reasons(topics)).isEmpty();
    assertThat(plans()).allMatch(plan -> plan.getRetiresOnly());
  }

  @Test
  void aCorrectionBringsAModelBackToACoordinatorThatLostItsState() {
    arriveBase();
    ModelManifest a = Models.model("a", 1).build();
    pipe("a", a, Correction.headers(1));
    Models.complete(a, PARTITIONS, 1, SUMS).forEach(this::report);
    assertThat(plans()).hasSize(1);
    assertThat(corrections()).isEmpty();
  }

  @Test
  void readersFollowTheCoordinator() {
    AcceptedManifests read = new AcceptedManifests(() -> 1_000_000L);
    ModelManifest one = Models.model("a", 1).build();
    assertThat(read.add("a", one, 0, OptionalLong.empty())).isTrue();
    ModelManifest other = Models.model("a", 1).setContentHash("other").build();
    assertThat(read.add("a", other, 1, OptionalLong.empty())).as("same version").isFalse();
    ModelManifest never = Models.model("a", Long.MAX_VALUE).build();
    assertThat(read.add("a", never, 2, OptionalLong.empty())).as("ahead").isFalse();
    ModelManifest two = Models.model("a", 2).build();
    assertThat(read.add("a", two, 3, OptionalLong.empty())).isTrue();
    assertThat(read.add("a", one, 4, OptionalLong.of(2))).as("of before 2 arrived").isFalse();
    assertThat(read.find("a")).contains(two);
    ModelManifest three = Models.model("a", 3).build();
    read.add("a", three, 5, OptionalLong.empty());
    assertThat(read.add("a", two, 6, OptionalLong.of(5))).as("3 was rejected").isTrue();
    assertThat(read.find("a")).contains(two);
    read.add("a", null, 7, OptionalLong.empty());
    assertThat(read.add("a", two, 8, OptionalLong.of(6))).as("withdrawn meanwhile").isFalse();
    assertThat(read.find("a")).isEmpty();
    ModelManifest base = Models.base(1, Models.method(true, 1e-6));
    assertThat(read.add("base", base, 9, OptionalLong.empty())).isTrue();
    ModelManifest second = Models.base(1, Models.method(true, 1e-6));
    second.setModel("second");
    assertThat(read.add("second", second, 10, OptionalLong.empty())).as("second base").isFalse();
    assertThat(read.all().keySet()).containsExactly("base");
    assertThat(Correction.corrected(new RecordHeaders().add(Correction.HEADER, new byte[0])))
        .isEmpty();
  }

  /** A machine may have started long before its clock was set. */
  @Test
  void versionsAreBoundByTheWallClockAsItIsNow() {
    arriveBase();
    wallClock = wallClock.plus(Duration.ofDays(700));
    ModelManifest now = Models.model("a", wallClock.toEpochMilli()).build();
    announce(now);
    assertThat(stage.reasons(topics)).isEmpty();
    wallClock = wallClock.minus(Duration.ofDays(30));
    announce(Models.model("a", now.getVersion()).setCoefficient(0.5).build());
    assertThat(stage.reasons(topics)).as("an accepted version stays").isEmpty();
    announce(Models.model("a", now.getVersion() + 1).build());
    assertThat(stage.reasons(topics)).singleElement().asString().contains("plus one day");
  }
}
