package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.streams.errors.StreamsException;
import org.junit.jupiter.api.Test;

class FailureBudgetTest {
  private final FailureBudget budget = new FailureBudget("/state");

  @Test
  void anErrorEndsTheStageHoweverItIsWrapped() {
    Error missing = new NoClassDefFoundError("a/B");
    assertThat(budget.fatal(missing)).contains(missing);
    assertThat(budget.fatal(new StreamsException(new ExecutionException(missing))))
        .contains(missing);
  }

  @Test
  void aRecordThatOverflowsTheStackDoesNotEndTheStage() {
    assertThat(budget.fatal(new StreamsException(new StackOverflowError()))).isEmpty();
  }

  @Test
  void aMistakeOfTheUserEndsTheStageHoweverItIsWrapped() {
    InvalidInput mistake = new InvalidInput("no such folder", new IOException("ENOENT"));
    assertThat(budget.fatal(new StreamsException(new ExecutionException(mistake))))
        .contains(mistake);
  }

  @Test
  void aFullDiskEndsTheStageAndNamesItsFolder() {
    assertThat(budget.fatal(new StreamsException(new IOException("No space left on device"))))
        .hasValueSatisfying(cause -> assertThat(cause).hasMessageContaining("/state"));
  }

  @Test
  void aCircleOfCausesEnds() {
    Exception one = new IllegalStateException("one");
    one.initCause(new IllegalStateException("two", one));
    assertThat(budget.fatal(one)).isEmpty();
  }

  @Test
  void manyFailuresInAShortTimeEndTheStage() {
    for (int failure = 0; failure < 20; failure++) {
      assertThat(budget.fatal(new StreamsException("again"))).isEmpty();
    }
    assertThat(budget.fatal(new StreamsException("again"))).isPresent();
  }
}
