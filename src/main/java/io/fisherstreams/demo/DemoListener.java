package io.fisherstreams.demo;

/** Receives the demo's progress, on the demo's own thread. */
public interface DemoListener {
  /**
   * One epoch of a training is over.
   *
   * @param network the model's name, or "base"
   * @param epoch from 1 to {@code epochs}
   * @param loss mean cross entropy, in nats
   */
  void trained(String network, int epoch, int epochs, double loss);

  /** The base model is trained and published. */
  void based(Scores base);

  /**
   * A model is fine-tuned. Next it arrives in the pool with its examples.
   *
   * @param own its accuracy on its own task, from 0 to 1
   * @param examples number of examples of its Fisher
   */
  void fineTuned(DigitTask task, double own, int examples);

  /** A release is complete. */
  void released(PoolChange change, Scores base);

  /** For comparison, the demo now fills a second pool with all models but this one. */
  void verifying(DigitTask withdrawn);

  /** The run is over. */
  void finished(DemoResult result);
}
