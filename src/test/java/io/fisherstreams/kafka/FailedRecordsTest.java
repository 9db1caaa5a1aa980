package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.kafka.FailedRecords.Handling;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Optional;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.streams.errors.StreamsException;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class FailedRecordsTest {
  private static final Optional<String> TASK = Optional.of("0_1");

  @TempDir Path directory;
  private FailedRecords failed = FailedRecords.inMemory();

  private Handling begin(String record) {
    return failed.begin("0_1", record).handling();
  }

  private boolean fail(Throwable failure, boolean isExact) {
    return failed.failed(TASK, failure, isExact);
  }

  @Test
  void aRecordThatFailsThreeTimesIsSetAsideWithTheCause() {
    for (int i = 0; i < 3; i++) {
      assertThat(begin("a")).isEqualTo(Handling.PROCESS);
      fail(new IllegalStateException("unforeseen"), true);
    }
    assertThat(failed.begin("0_1", "a").reason())
        .isEqualTo("set aside after 3 failures of the stage: unforeseen");
    assertThat(begin("b")).isEqualTo(Handling.PROCESS);
  }

  /** Kafka throws it at the next record of any task of the thread. */
  @Test
  void aFailedSendCountsForTheTaskThatSent() {
    for (int i = 0; i < 4; i++) {
      assertThat(failed.begin("0_0", "large").handling()).isEqualTo(Handling.PROCESS);
      assertThat(begin("innocent")).isEqualTo(Handling.PROCESS);
      StreamsException failure =
          new StreamsException(
              "Error encountered sending record to topic out for task 0_0 due to:\ntoo large",
              new RecordTooLargeException("too large"));
      fail(failure, false);
      // the thread ends with it
      failed.failed(TASK, new StreamsException("in task 0_1", failure), false);
    }
    assertThat(failed.begin("0_0", "large").handling()).isEqualTo(Handling.SET_ASIDE);
    assertThat(begin("innocent")).isEqualTo(Handling.PROCESS);
  }

  @Test
  void recordsThatComeAgainWithoutAFailureAreCommittedOneByOne() {
    failed.begin("0_1", origin(5));
    failed.begin("0_1", origin(6));
    assertThat(failed.isCareful("0_1")).isFalse();
    failed.begin("0_1", origin(5)); // the brokers gave the transaction up
    assertThat(failed.isCareful("0_1")).isTrue();
    assertThat(failed.isCareful("0_0")).isFalse();
  }

  private static RecordMetadata origin(long offset) {
    return new RecordMetadata() {
      @Override
      public String topic() {
        return "examples";
      }

      @Override
      public int partition() {
        return 1;
      }

      @Override
      public long offset() {
        return offset;
      }
    };
  }

  @Test
  void theSendOfAnEarlierRecordIsNotBlamedOnALaterOne() {
    // "b" begins when the failure of "a" is reported; then each record is committed alone
    begin("a");
    begin("b");
    fail(new KafkaException("a's send"), false);
    assertThat(failed.isCareful("0_1")).isTrue();
    for (int i = 0; i < 3; i++) {
      assertThat(begin("a")).isEqualTo(Handling.PROCESS);
      fail(new RecordTooLargeException("a's commit"), false);
    }
    assertThat(begin("a")).isEqualTo(Handling.SET_ASIDE);
    assertThat(begin("b")).isEqualTo(Handling.PROCESS);
  }

  @Test
  void aFailureAfterTheRecordWasCommittedIsNotItsFault() {
    begin("a");
    fail(new IllegalStateException("a timer"), false);
    for (int i = 0; i < 9; i++) {
      assertThat(begin("record " + i)).isEqualTo(Handling.PROCESS); // none comes again
      assertThat(fail(new IllegalStateException("a timer"), false)).isFalse();
    }
  }

  @Test
  void onlyAKnownCauseHasALimitOfItsOwn() {
    begin("a");
    assertThat(fail(new IllegalStateException("1"), true)).isFalse();
    begin("a");
    assertThat(fail(new IllegalStateException("2"), true)).isTrue();
  }

  @Test
  void oneFailureIsNotedOnce() {
    IllegalStateException cause = new IllegalStateException("unforeseen");
    for (int i = 0; i < 2; i++) {
      begin("a");
      fail(cause, true);
      fail(new RuntimeException("as the thread reports it", cause), false);
      cause = new IllegalStateException("again");
    }
    assertThat(begin("a")).isEqualTo(Handling.PROCESS);
  }

  static Throwable[] transients() {
    return new Throwable[] {
      new TimeoutException("broker"),
      new RuntimeException(new ProducerFencedException("another")),
      new UncheckedIOException(new IOException("No space left on device")),
      new InvalidInput("no rights"),
    };
  }

  @ParameterizedTest
  @MethodSource("transients")
  void aFailureOfTheSurroundingsIsNoRecordsFault(Throwable failure) {
    for (int i = 0; i < 9; i++) {
      assertThat(begin("a")).isEqualTo(Handling.PROCESS);
      assertThat(fail(failure, true)).isFalse();
    }
  }

  @Test
  void aDeadLetterThatFailsTooIsSentWithoutContentAndThenNotAtAll() {
    for (int i = 0; i < 9; i++) {
      assertThat(begin("a"))
          .isEqualTo(i < 3 ? Handling.PROCESS : i < 6 ? Handling.SET_ASIDE : Handling.NAME);
      fail(new IllegalStateException("unforeseen"), true);
    }
    assertThat(begin("a")).isEqualTo(Handling.SKIP);
  }

  @Test
  void countsOutliveTheProcess() {
    for (int i = 0; i < 3; i++) {
      failed = FailedRecords.in(directory);
      assertThat(begin("a")).isEqualTo(Handling.PROCESS);
      fail(new OutOfMemoryError("Java heap space"), true);
    }
    failed = FailedRecords.in(directory);
    assertThat(failed.begin("0_1", "a"))
        .isEqualTo(
            new FailedRecords.Verdict(
                Handling.SET_ASIDE, "set aside after 3 failures of the stage: Java heap space"));
  }

  @Test
  void afterAWhileWithoutFailuresATaskIsNoLongerCareful() {
    begin("a");
    fail(new IllegalStateException("unforeseen"), true);
    for (int i = 0; i < 256; i++) {
      assertThat(failed.isCareful("0_1")).isTrue();
      begin("record " + i);
    }
    assertThat(failed.isCareful("0_1")).isFalse();
    assertThat(failed.isCareful("another")).isFalse();
  }

  @Test
  void aFailureWithoutATaskIsThatOfTheThreadsNewestRecord() throws Exception {
    Thread other = new Thread(() -> failed.begin("0_2", "b"));
    begin("a");
    other.start();
    other.join();
    for (int i = 0; i < 4; i++) {
      failed.failed(Optional.empty(), new IllegalStateException("at the commit"), false);
      begin("a");
    }
    assertThat(begin("a")).isEqualTo(Handling.SET_ASIDE);
  }

  @Test
  void otherWorkIsGivenUpAfterThreeFailuresOfItsOwn() {
    failed = FailedRecords.in(directory);
    for (int i = 0; i < 3; i++) {
      assertThat(failed.givenUp("plan 1")).isEmpty();
      failed.workFailed("plan 1", new IllegalStateException("unforeseen"));
      failed.workFailed("plan 2", new TimeoutException("broker"));
    }
    failed = FailedRecords.in(directory);
    assertThat(failed.givenUp("plan 1")).contains("failed 3 times: unforeseen");
    assertThat(failed.hasFailed("plan 2")).isFalse();
  }
}
