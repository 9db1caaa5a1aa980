package io.fisherstreams.faults;

/** One instance of a stage, that can be stopped and started again on the same state directory. */
interface Instance extends AutoCloseable {
  void start();

  /** A clean end. */
  void stop();

  /** What it has to say about itself, for a failing test. */
  String log();

  @Override
  void close();
}
