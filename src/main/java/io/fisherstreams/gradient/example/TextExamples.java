package io.fisherstreams.gradient.example;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * Examples in a JSON Lines file with {@code text}, optionally {@code text_pair}, and {@code label},
 * tokenised by the model's {@code tokenizer.json}. Gives {@code input_ids} and {@code
 * attention_mask}, not padded and not truncated.
 */
public final class TextExamples implements ExampleSource {
  private final JsonLines lines;
  private final Path tokenizerFile;
  private final HuggingFaceTokenizer tokenizer;
  private final Function<String, Optional<Long>> classNamed;

  private TextExamples(
      JsonLines lines,
      Path tokenizerFile,
      HuggingFaceTokenizer tokenizer,
      Function<String, Optional<Long>> classNamed) {
    this.lines = lines;
    this.tokenizerFile = tokenizerFile;
    this.tokenizer = tokenizer;
    this.classNamed = classNamed;
  }

  /**
   * Opens a file.
   *
   * @param tokenizerFile the model folder's {@code tokenizer.json}
   * @param classNamed the model's class of a label that is a name
   * @throws InvalidInput when either file cannot be read
   */
  public static TextExamples open(
      Path path, Path tokenizerFile, Function<String, Optional<Long>> classNamed) {
    JsonLines lines = JsonLines.open(path);
    try {
      return new TextExamples(lines, tokenizerFile, tokenizer(tokenizerFile), classNamed);
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
      batch.add(
          new Example(
              origin(),
              index,
              lines.label(line, index, classNamed),
              Map.of(
                  "input_ids", InputTensor.ofLongs(encoding.getIds()),
                  "attention_mask", InputTensor.ofLongs(encoding.getAttentionMask()))));
    }
    return batch;
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
