package io.fisherstreams.gate;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.TemporaryDirectory;
import io.fisherstreams.gradient.Evaluation;
import io.fisherstreams.gradient.ExampleProgress;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.kafka.TopicFollower;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasName;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.TaskAccuracy;
import io.fisherstreams.release.ReleaseAliases;
import io.fisherstreams.release.ReleaseExporter;
import io.fisherstreams.release.ReleaseReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.errors.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The gate on a real cluster: a follower of {@code releases}. */
public final class GateStage {
  private GateStage() {}

  /**
   * An instance that is not started.
   *
   * @param directory holds one release at a time while it is measured
   * @throws InvalidInput when a task's examples cannot be opened, or a device is not there
   */
  public static StageInstance create(
      KafkaSettings kafka, PoolTopics topics, GateOptions options, Path directory) {
    for (GateOptions.Task task : options.tasks()) {
      task.openExamples().close();
    }
    Compute compute = options.compute().resolve(TopicPool.LOG::info);
    Gate gate =
        new Gate(
            options.largestDrop(),
            options.leavesSuspectsOut(),
            new TopicPool(kafka, topics, options, compute, directory));
    return new TopicFollower(
        Stage.GATE.text(),
        kafka.newGroupConsumer(Stage.GATE.group(topics.pool())),
        List.of(topics.releases()),
        (consumer, partition) -> newest(kafka, topics),
        record ->
            TopicReader.value(topics.releases(), record)
                .ifPresent(release -> gate.judge(release.getRelease())));
  }

  /** A gate that has never run does not judge the pool's past. */
  private static long newest(KafkaSettings kafka, PoolTopics topics) {
    long[] offset = {0};
    TopicReader.readRecords(
        kafka,
        topics.releases(),
        (record, release) -> {
          if (release != null && release.getStatus() == ReleaseStatus.COMPLETE) {
            offset[0] = record.offset();
          }
        });
    return offset[0];
  }

  private record TopicPool(
      KafkaSettings kafka, PoolTopics topics, GateOptions options, Compute compute, Path directory)
      implements Gate.Pool {
    private static final Logger LOG = LoggerFactory.getLogger(GateStage.class);
    private static final Duration ANSWER_WITHIN = Duration.ofSeconds(60);

    @Override
    public Map<Long, Release> releases() {
      Map<Long, Release> releases = new HashMap<>();
      reader().all().forEach(release -> releases.put(release.getRelease(), release));
      return releases;
    }

    private ReleaseReader reader() {
      return new ReleaseReader(kafka, topics);
    }

    @Override
    public Alias alias() {
      return new ReleaseAliases(kafka, topics)
          .all()
          .getOrDefault(options.alias(), AliasName.unset(options.alias()));
    }

    @Override
    public Alias judge(long release, GateVerdict verdict, Alias seen) {
      return new ReleaseAliases(kafka, topics)
          .judge(seen, release, verdict, ANSWER_WITHIN)
          .orElseThrow(() -> new TimeoutException("the coordinator has not answered in time"));
    }

    @Override
    public Optional<List<TaskAccuracy>> measure(Release release) {
      try {
        Files.createDirectories(directory);
      } catch (IOException e) {
        throw new UncheckedIOException("cannot make " + directory, e);
      }
      try (TemporaryDirectory work = TemporaryDirectory.create(directory)) {
        Path checkpoint = work.path().resolve("release.safetensors");
        try {
          ReleaseReader reader = reader();
          new ReleaseExporter(reader)
              .export(
                  release,
                  reader.tensors(release, PoolModels.base(kafka, topics)),
                  ReleaseExporter.Output.file(checkpoint),
                  bytes -> {});
        } catch (InvalidInput e) {
          LOG.warn("release {} cannot be read: {}", release.getRelease(), e.getMessage());
          return Optional.empty();
        }
        List<TaskAccuracy> tasks = new ArrayList<>();
        options.tasks().forEach(task -> tasks.add(measure(task, checkpoint)));
        return Optional.of(tasks);
      }
    }

    private TaskAccuracy measure(GateOptions.Task task, Path checkpoint) {
      ModelFiles files = task.files(checkpoint);
      try (ExampleSource examples = task.openExamples();
          ModelRuntime runtime = files.load(compute)) {
        Evaluation found =
            Evaluation.of(runtime, examples, options.batchSize(), ExampleProgress.SILENT);
        double accuracy =
            found
                .accuracy()
                .orElseThrow(
                    () ->
                        new InvalidInput(
                            "%s: the model predicts a value; a task of the gate needs classes"
                                .formatted(task.name())));
        return new TaskAccuracy(
            task.name(), found.examples(), accuracy, -found.meanLogLikelihood());
      }
    }
  }
}
