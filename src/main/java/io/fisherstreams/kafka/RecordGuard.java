package io.fisherstreams.kafka;

import io.fisherstreams.kafka.FailedRecords.Handling;
import io.fisherstreams.kafka.FailedRecords.Verdict;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.metrics.Sensor;
import org.apache.kafka.common.metrics.stats.CumulativeCount;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Processes the records of one task of a stage, and sets aside those that fail again and again, see
 * {@link FailedRecords}. Counts them in the metric {@value #METRIC} of group {@value #GROUP}.
 */
public final class RecordGuard {
  /** Group of the metric. */
  public static final String GROUP = "fisherstreams";

  /** Metric: records of a task that were set aside. */
  public static final String METRIC = "records-set-aside-total";

  private static final Logger LOG = LoggerFactory.getLogger(RecordGuard.class);

  /** Sends a record to {@code dead-letters}. */
  public interface DeadLetter {
    /** Sends it, with its content or with its name only. */
    void send(Rejection rejection, boolean withContent);
  }

  private final FailedRecords failures;
  private final ProcessorContext<?, ?> context;
  private final String task;

  /** The guard of a task that is initialised. */
  public RecordGuard(FailedRecords failures, ProcessorContext<?, ?> context) {
    this.failures = failures;
    this.context = context;
    task = context.taskId().toString();
  }

  /** The metric is there from the first record on. */
  private void count() {
    Sensor sensor = context.metrics().addSensor("set-aside-" + task, Sensor.RecordingLevel.INFO);
    sensor.add(
        new MetricName(
            METRIC,
            GROUP,
            "records that were set aside because they made the stage fail",
            Map.of("task-id", task)),
        new CumulativeCount());
    sensor.record();
  }

  /** Processes a record, or sets it aside; a failure is noted and thrown. */
  public void process(RecordMetadata origin, Runnable work, DeadLetter deadLetter) {
    Verdict verdict = failures.begin(task, origin);
    try {
      if (verdict.handling() == Handling.PROCESS) {
        work.run();
      } else {
        count();
        LOG.error(
            "{} partition {} offset {} is {}",
            origin.topic(),
            origin.partition(),
            origin.offset(),
            verdict.reason());
        if (verdict.handling() != Handling.SKIP) {
          deadLetter.send(
              new Rejection(RejectionKind.SET_ASIDE, verdict.reason()),
              verdict.handling() == Handling.SET_ASIDE);
        }
      }
    } catch (RuntimeException e) {
      // Kafka reports the failed send of an earlier record at a later one.
      failures.failed(Optional.of(task), e, !(e instanceof KafkaException));
      throw e;
    } catch (StackOverflowError e) {
      failures.failed(Optional.of(task), e, true);
      throw new IllegalStateException("the stack overflowed", e); // an Error would end the process
    } catch (OutOfMemoryError e) {
      failures.failed(Optional.of(task), e, true);
      throw e;
    }
    if (failures.isCareful(task)) {
      context.commit();
    }
  }
}
