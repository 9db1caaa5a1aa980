package io.fisherstreams.demo;

import java.util.List;

/**
 * Trains the demo's networks: the base model on MNIST's training images, and from it one model for
 * each task. The same seed gives the same networks on the same machine.
 */
final class ModelTraining implements AutoCloseable {
  private static final double BASE_RATE = 1e-3;
  private static final double TASK_RATE = 5e-4;

  private final DigitImages images;
  private final DemoScenario.Effort effort;
  private final long seed;
  private final DemoListener listener;
  private final Trainer trainer = new Trainer();

  ModelTraining(DigitImages images, DemoScenario.Effort effort, long seed, DemoListener listener) {
    this.images = images;
    this.effort = effort;
    this.seed = seed;
    this.listener = listener;
  }

  /** The base model. */
  DigitNetwork base() {
    return train(
        "base", DigitNetwork.random(seed), images, effort.baseEpochs(), BASE_RATE, seed + 1);
  }

  /** A task's model, with the first images of its training for its Fisher. */
  FineTunedModel fineTuned(DigitTask task, DigitNetwork base) {
    DigitImages own = task.of(images);
    DigitNetwork network =
        train(
            task.model(),
            base,
            own,
            effort.taskEpochs(),
            TASK_RATE,
            seed + 2 + List.of(DigitTask.values()).indexOf(task));
    return new FineTunedModel(
        task.model(), network.parameters(), own.first(effort.fisherExamples()));
  }

  private DigitNetwork train(
      String name,
      DigitNetwork start,
      DigitImages on,
      int epochs,
      double learningRate,
      long trainingSeed) {
    return trainer.train(
        start,
        on,
        epochs,
        learningRate,
        trainingSeed,
        (epoch, loss) -> listener.trained(name, epoch, epochs, loss));
  }

  @Override
  public void close() {
    trainer.close();
  }
}
