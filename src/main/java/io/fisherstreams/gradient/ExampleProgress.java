package io.fisherstreams.gradient;

/** Is told how far a run over examples has come. */
@FunctionalInterface
public interface ExampleProgress {
  /** Tells nobody. */
  ExampleProgress SILENT = (done, total) -> {};

  /**
   * Called after every batch.
   *
   * @param done examples so far
   * @param total examples in all
   */
  void examples(long done, long total);
}
