package io.fisherstreams.gradient.example;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Some of a source's examples, in the source's order, for many passes: what fits into a given
 * memory is read once. The source stays the caller's.
 */
public final class SelectedExamples implements ExampleSource {
  private final ExampleSource source;
  private final List<Long> indices;
  private final Map<Long, Example> kept = new HashMap<>();
  private long room;

  /**
   * Selects examples.
   *
   * @param indices in the source, ascending
   * @param room how many bytes of inputs are kept at most
   */
  public SelectedExamples(ExampleSource source, List<Long> indices, long room) {
    this.source = source;
    this.indices = List.copyOf(indices);
    this.room = room;
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
      long index = indices.get(i);
      Example example = kept.get(index);
      read.add(example == null ? keep(index, source.read(index, 1).get(0)) : example);
    }
    return read;
  }

  private Example keep(long index, Example example) {
    long bytes =
        example.inputs().values().stream().mapToLong(input -> input.bytes().remaining()).sum();
    if (bytes <= room) {
      room -= bytes;
      kept.put(index, example);
    }
    return example;
  }

  @Override
  public List<Path> files() {
    return source.files();
  }

  @Override
  public void close() {}
}
