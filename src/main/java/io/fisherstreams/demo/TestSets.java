package io.fisherstreams.demo;

import java.util.EnumMap;
import java.util.Map;

/** The test images of every task and MNIST's own, on which the demo measures networks. */
final class TestSets implements AutoCloseable {
  private final DigitImages originals;
  private final Map<DigitTask, DigitImages> tasks = new EnumMap<>(DigitTask.class);
  private final Accuracy accuracy = new Accuracy();

  /** Makes each task's images from MNIST's. */
  TestSets(DigitImages originals) {
    this.originals = originals;
    for (DigitTask task : DigitTask.values()) {
      tasks.put(task, task.of(originals));
    }
  }

  /** The test images of a task. */
  DigitImages images(String model) {
    return tasks.entrySet().stream()
        .filter(task -> task.getKey().model().equals(model))
        .findFirst()
        .orElseThrow()
        .getValue();
  }

  /** A network's accuracy on one task, from 0 to 1. */
  double accuracy(DigitTask task, DigitParameters network) {
    return accuracy.of(DigitNetwork.of(network), tasks.get(task));
  }

  /** A network's accuracy on all test images. */
  Scores scores(DigitParameters parameters) {
    DigitNetwork network = DigitNetwork.of(parameters);
    Map<DigitTask, Double> scores = new EnumMap<>(DigitTask.class);
    tasks.forEach((task, images) -> scores.put(task, accuracy.of(network, images)));
    return new Scores(scores, accuracy.of(network, originals));
  }

  @Override
  public void close() {
    accuracy.close();
  }
}
