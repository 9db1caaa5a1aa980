package io.fisherstreams.gradient.example;

import io.fisherstreams.InvalidInput;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/** A numbered collection of labelled examples that is read a few at a time. */
public interface ExampleSource extends AutoCloseable {
  /** Examples that {@link #forEach} reads at a time. */
  int READ = 32;

  /** The file or folder, for messages. */
  String origin();

  /** How many examples there are. */
  long count();

  /**
   * Reads consecutive examples.
   *
   * @param first index of the first, from 0
   * @param examples how many; first + examples is at most {@link #count()}
   * @return the examples, in order, independent of this source
   * @throws InvalidInput when one of them cannot be read, with file, index and reason
   */
  List<Example> read(long first, int examples);

  /** Reads the first examples, at most {@link #count()}, a few at a time. */
  default void forEach(long examples, Consumer<Example> consumer) {
    for (long first = 0; first < examples; first += READ) {
      read(first, (int) Math.min(READ, examples - first)).forEach(consumer);
    }
  }

  /** Rejects, with {@link InvalidInput}, a source with fewer examples than a Fisher needs. */
  default void requireCount(long examples) {
    if (count() < examples) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              ("%s: expected %d examples, found %d; give more, or ask for fewer (--num-examples, or"
                  + " num_fisher_examples in merge.yaml)"),
              origin(),
              examples,
              count()));
    }
  }

  /** The files that make up the examples, in a fixed order; their bytes identify the source. */
  List<Path> files();

  @Override
  void close();
}
