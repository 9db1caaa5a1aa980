package io.fisherstreams.gradient.example;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;

/** Examples in a JSON Lines file whose texts a model's {@code tokenizer.json} tokenises. */
abstract class TokenizedLines implements ExampleSource {
  final JsonLines lines;
  final TextTokenizer tokenizer;

  /** Closes both in the end. */
  TokenizedLines(JsonLines lines, TextTokenizer tokenizer) {
    this.lines = lines;
    this.tokenizer = tokenizer;
  }

  /** Opens both files, and leaves neither open when one cannot be read. */
  static <T> T open(
      Path path, Path tokenizerFile, BiFunction<JsonLines, TextTokenizer, T> examples) {
    JsonLines lines = JsonLines.open(path);
    try {
      return examples.apply(lines, TextTokenizer.open(tokenizerFile));
    } catch (RuntimeException e) {
      lines.close();
      throw e;
    }
  }

  /** The example of one line. */
  abstract Example example(long index);

  @Override
  public final String origin() {
    return lines.path().toString();
  }

  @Override
  public final long count() {
    return lines.count();
  }

  @Override
  public final List<Example> read(long first, int examples) {
    List<Example> batch = new ArrayList<>(examples);
    for (long index = first; index < first + examples; index++) {
      batch.add(example(index));
    }
    return batch;
  }

  @Override
  public final List<Path> files() {
    return List.of(lines.path());
  }

  @Override
  public final void close() {
    tokenizer.close();
    lines.close();
  }
}
