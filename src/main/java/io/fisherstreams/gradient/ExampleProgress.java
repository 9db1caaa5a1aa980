package io.fisherstreams.gradient;

import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.Output;
import java.util.List;

/** Is notified of the progress of a run over examples. */
@FunctionalInterface
public interface ExampleProgress {
  /** Ignores the progress. */
  ExampleProgress SILENT = (done, total, tokens) -> {};

  /**
   * Called after every batch.
   *
   * @param done examples so far
   * @param total examples in all
   * @param tokens of the examples so far, without padding; 0 of a model that predicts no tokens
   */
  void examples(long done, long total, long tokens);

  /** Tokens of a batch, as {@link #examples} counts them. */
  static long tokens(ModelRuntime runtime, List<Example> batch) {
    return runtime.output() == Output.TOKENS ? batch.stream().mapToLong(Example::tokens).sum() : 0;
  }
}
