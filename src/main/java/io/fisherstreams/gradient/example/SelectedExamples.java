package io.fisherstreams.gradient.example;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Some of a source's examples, in the source's order. The source stays the caller's. */
public final class SelectedExamples implements ExampleSource {
  private final ExampleSource source;
  private final List<Long> indices;

  /**
   * Selects examples.
   *
   * @param indices in the source, ascending
   */
  public SelectedExamples(ExampleSource source, List<Long> indices) {
    this.source = source;
    this.indices = List.copyOf(indices);
  }

  @Override
  public String origin() {
    return source.origin();
  }

  @Override
  public long count() {
    return indices.size();
  }

  @Override
  public List<Example> read(long first, int examples) {
    List<Example> read = new ArrayList<>();
    for (int i = Math.toIntExact(first); i < first + examples; i++) {
      read.addAll(source.read(indices.get(i), 1));
    }
    return read;
  }

  @Override
  public List<Path> files() {
    return source.files();
  }

  @Override
  public void close() {}
}
