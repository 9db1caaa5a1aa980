package io.fisherstreams.gradient.example;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Supplier;

/** The tokenizer of a model's {@code tokenizer.json}. Neither pads nor truncates. */
final class TextTokenizer implements AutoCloseable {
  private final Path file;
  private final HuggingFaceTokenizer tokenizer;

  private TextTokenizer(Path file, HuggingFaceTokenizer tokenizer) {
    this.file = file;
    this.tokenizer = tokenizer;
  }

  /**
   * Opens a file.
   *
   * @throws InvalidInput when it is no tokenizer
   */
  static TextTokenizer open(Path file) {
    TokenizerFile.check(file);
    try {
      return new TextTokenizer(
          file,
          HuggingFaceTokenizer.builder()
              .optTokenizerPath(file)
              .optTruncation(false)
              .optPadding(false)
              .build());
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
      throw new InvalidInput("%s: no tokenizer could be read: %s".formatted(file, reason(e)), e);
    }
  }

  private static String reason(Throwable fault) {
    return fault.getMessage() == null ? "its content is damaged" : fault.getMessage();
  }

  /**
   * The tokens of a text or a pair of texts, with the special tokens that the file adds.
   *
   * @param lines the file of the text, for messages
   * @param index the text's line
   */
  Encoding encode(JsonLines lines, long index, String text, Optional<String> pair) {
    return encode(
        lines,
        index,
        () -> pair.map(p -> tokenizer.encode(text, p)).orElseGet(() -> tokenizer.encode(text)));
  }

  /**
   * The tokens of a text that has its special tokens already; the tokenizer adds none.
   *
   * @param lines the file of the text, for messages
   * @param index the text's line
   */
  Encoding encodeWhole(JsonLines lines, long index, String text) {
    return encode(lines, index, () -> tokenizer.encode(text, false, false));
  }

  private Encoding encode(JsonLines lines, long index, Supplier<Encoding> encoding) {
    try {
      return encoding.get();
    } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
      throw lines.invalid(index, "%s cannot tokenise the text: %s".formatted(file, reason(e)));
    }
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
