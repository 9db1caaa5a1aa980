package io.fisherstreams.gradient.example;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * Examples whose texts are cut at a number of tokens: every input with one value a token loses the
 * values behind it.
 */
public final class ShortenedExamples implements ExampleSource {
  private static final List<String> BY_TOKEN =
      List.of("input_ids", "attention_mask", "token_type_ids", Example.LABELS);

  private final ExampleSource source;
  private final int maxLength;
  private final TreeSet<Long> shortened = new TreeSet<>();

  /** The examples, with their texts cut if a length is given. The result owns the source. */
  public static ExampleSource of(ExampleSource source, OptionalInt maxLength) {
    return maxLength.isPresent() ? new ShortenedExamples(source, maxLength.getAsInt()) : source;
  }

  /**
   * Owns the source from now on.
   *
   * @param maxLength tokens that stay, at least 1
   */
  public ShortenedExamples(ExampleSource source, int maxLength) {
    this.source = source;
    this.maxLength = maxLength;
  }

  /** How many examples were cut so far, for people; empty when none was. */
  public Optional<String> note() {
    return shortened.isEmpty()
        ? Optional.empty()
        : Optional.of(
            String.format(
                Locale.ROOT,
                "%s: %d examples had more than %d tokens and were cut; the first is example %d",
                origin(),
                shortened.size(),
                maxLength,
                shortened.first()));
  }

  @Override
  public String origin() {
    return source.origin();
  }

  @Override
  public long count() {
    return source.count();
  }

  @Override
  public List<Example> read(long first, int examples) {
    return source.read(first, examples).stream().map(this::shortened).toList();
  }

  private Example shortened(Example example) {
    Map<String, InputTensor> inputs = new HashMap<>(example.inputs());
    for (String name : BY_TOKEN) {
      InputTensor input = inputs.get(name);
      if (input != null && input.shape().size() == 1 && input.elements() > maxLength) {
        inputs.put(name, first(input));
        shortened.add(example.index());
      }
    }
    Example cut = new Example(example.origin(), example.index(), example.label(), inputs);
    firstTarget(example)
        .filter(target -> firstTarget(cut).isEmpty())
        .ifPresent(
            target -> {
              throw example.invalid(
                  String.format(
                      Locale.ROOT,
                      "cut after %d tokens it has nothing to predict: the first token with a label"
                          + " is number %d; set a larger --max-length (max_length in merge.yaml),"
                          + " or leave the example out",
                      maxLength,
                      target + 1));
            });
    return cut;
  }

  /** The first token that has a label, where tokens have labels. */
  private static Optional<Integer> firstTarget(Example example) {
    InputTensor labels = example.inputs().get(Example.LABELS);
    if (labels == null || labels.shape().size() != 1 || !labels.integral()) {
      return Optional.empty();
    }
    long[] values = labels.toLongs();
    return IntStream.range(0, values.length)
        .filter(i -> values[i] != Example.IGNORED)
        .boxed()
        .findFirst();
  }

  private InputTensor first(InputTensor input) {
    ByteBuffer bytes =
        input
            .bytes()
            .slice(input.bytes().position(), maxLength * input.dtype().bytes())
            .order(ByteOrder.LITTLE_ENDIAN);
    return new InputTensor(input.dtype(), List.of((long) maxLength), bytes);
  }

  @Override
  public List<Path> files() {
    return source.files();
  }

  @Override
  public void close() {
    source.close();
  }
}
