package io.fisherstreams.gradient.example;

import java.nio.file.Path;
import java.util.List;

/** A numbered collection of labelled examples that is read a few at a time. */
public interface ExampleSource extends AutoCloseable {

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
   * @throws io.fisherstreams.InvalidInput when one of them cannot be read, with file, index and
   *     reason
   */
  List<Example> read(long first, int examples);

  /** The files that make up the examples, in a fixed order; their bytes identify the source. */
  List<Path> files();

  @Override
  void close();
}
