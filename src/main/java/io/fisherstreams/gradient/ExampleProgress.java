package io.fisherstreams.gradient;

/** Is notified of the progress of a run over examples. */
@FunctionalInterface
public interface ExampleProgress {
  /** Ignores the progress. */
  ExampleProgress SILENT = (done, total) -> {};

  /**
   * Called after every batch.
   *
   * @param done examples so far
   * @param total examples in all
   */
  void examples(long done, long total);
}
