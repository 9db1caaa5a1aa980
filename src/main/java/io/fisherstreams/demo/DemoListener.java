package io.fisherstreams.demo;

/** Is told how the demo goes on, on the demo's own thread. */
public interface DemoListener {
  /**
   * A network went once more through its training images.
   *
   * @param network the model's name, or "base"
   * @param epoch from 1 to {@code epochs}
   * @param loss mean cross entropy, in nats
   */
  void trained(String network, int epoch, int epochs, double loss);

  /** The base model is trained and published. */
  void based(Scores base);

  /**
   * A model is fine-tuned and its Fisher computed; it is about to arrive.
   *
   * @param own its accuracy on its own task, from 0 to 1
   * @param examples examples of its Fisher
   */
  void fineTuned(DigitTask task, double own, int examples);

  /** A release is complete. */
  void released(PoolChange change, Scores base);

  /** A second pool, in which the withdrawn model never was, is filled to compare releases. */
  void verifying(DigitTask withdrawn);

  /** All is over. */
  void finished(DemoResult result);
}
