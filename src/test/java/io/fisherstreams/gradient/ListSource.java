package io.fisherstreams.gradient;

import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import java.nio.file.Path;
import java.util.List;

/** Examples that are given. */
public record ListSource(List<Example> examples) implements ExampleSource {
  @Override
  public String origin() {
    return "list";
  }

  @Override
  public long count() {
    return examples.size();
  }

  @Override
  public List<Example> read(long first, int count) {
    return examples.subList((int) first, (int) first + count);
  }

  @Override
  public List<Path> files() {
    return List.of();
  }

  @Override
  public void close() {
    // Nothing is open.
  }
}
