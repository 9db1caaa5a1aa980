package io.fisherstreams.gradient.example;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * Examples in a JSON Lines file with {@code text}, optionally {@code text_pair}, and {@code label},
 * tokenised by the model's {@code tokenizer.json}. Gives {@code input_ids}, {@code attention_mask}
 * and, for models that read them, {@code token_type_ids}, not padded and not truncated. A label is
 * a class, or a number for a regression.
 */
public final class TextExamples implements ExampleSource {
  private final JsonLines lines;
  private final Path tokenizerFile;
  private final HuggingFaceTokenizer tokenizer;
  private final Function<String, Optional<Long>> classNamed;
  private final boolean tokenTypes;

  private TextExamples(
      JsonLines lines,
      Path tokenizerFile,
      HuggingFaceTokenizer tokenizer,
      Function<String, Optional<Long>> classNamed,
      boolean tokenTypes) {
    this.lines = lines;
    this.tokenizerFile = tokenizerFile;
    this.tokenizer = tokenizer;
    this.classNamed = classNamed;
    this.tokenTypes = tokenTypes;
  }

  /**
   * Opens a file.
   *
   * @param tokenizerFile the model folder's {@code tokenizer.json}
   * @param classNamed the model's class of a label that is a name
   * @param tokenTypes whether the model reads which text of a pair a token is of
   * @throws InvalidInput when either file cannot be read
   */
  public static TextExamples open(
      Path path,
      Path tokenizerFile,
      Function<String, Optional<Long>> classNamed,
      boolean tokenTypes) {
    JsonLines lines = JsonLines.open(path);
    try {
      return new TextExamples(
          lines, tokenizerFile, tokenizer(tokenizerFile), classNamed, tokenTypes);
    } catch (RuntimeException e) {
      lines.close();
      throw e;
    }
  }

  private static HuggingFaceTokenizer tokenizer(Path file) {
    TokenizerFile.check(file);
    try {
      return HuggingFaceTokenizer.builder()
          .optTokenizerPath(file)
          .optTruncation(false)
          .optPadding(false)
          .build();
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
      throw new InvalidInput("%s: no tokenizer could be read: %s".formatted(file, reason(e)), e);
    }
  }

  private static String reason(Throwable fault) {
    return fault.getMessage() == null ? "its content is damaged" : fault.getMessage();
  }

  @Override
  public String origin() {
    return lines.path().toString();
  }

  @Override
  public long count() {
    return lines.count();
  }

  @Override
  public List<Example> read(long first, int examples) {
    List<Example> batch = new ArrayList<>(examples);
    for (long index = first; index < first + examples; index++) {
      JsonNode line = lines.line(index);
      String text = lines.text(line, index, "text");
      Encoding encoding = encode(index, text, lines.optionalText(line, index, "text_pair"));
      if (encoding.getIds().length == 0) {
        throw lines.invalid(index, "text has no tokens");
      }
      batch.add(example(line, index, encoding));
    }
    return batch;
  }

  private Example example(JsonNode line, long index, Encoding encoding) {
    Map<String, InputTensor> inputs = new HashMap<>();
    inputs.put("input_ids", InputTensor.ofLongs(encoding.getIds()));
    inputs.put("attention_mask", InputTensor.ofLongs(encoding.getAttentionMask()));
    if (tokenTypes) {
      inputs.put("token_type_ids", InputTensor.ofLongs(encoding.getTypeIds()));
    }
    Optional<Float> value = lines.value(line);
    value.ifPresent(number -> inputs.put(Example.LABELS, InputTensor.ofFloats(List.of(), number)));
    long label = value.isPresent() ? 0 : lines.label(line, index, classNamed);
    return new Example(origin(), index, label, inputs);
  }

  private Encoding encode(long index, String text, Optional<String> pair) {
    try {
      return pair.map(p -> tokenizer.encode(text, p)).orElseGet(() -> tokenizer.encode(text));
    } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
      throw lines.invalid(
          index, "%s cannot tokenise the text: %s".formatted(tokenizerFile, reason(e)));
    }
  }

  @Override
  public List<Path> files() {
    return List.of(lines.path());
  }

  @Override
  public void close() {
    tokenizer.close();
    lines.close();
  }
}
