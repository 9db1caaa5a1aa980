package io.fisherstreams.gradient.example;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import com.fasterxml.jackson.databind.JsonNode;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.template.Rendered;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Map;
import java.util.Optional;

/**
 * Examples for a language model in a JSON Lines file, tokenised by the model's {@code
 * tokenizer.json}. A line has one of these:
 *
 * <ul>
 *   <li>{@code text}, of which every token is a label.
 *   <li>{@code prompt} and {@code completion}, of which the completion's tokens are labels. Both
 *       are tokenised together; a token that reaches from the prompt into the completion is the
 *       completion's. For an encoder and decoder, the prompt alone is the input and the completion
 *       alone the labels.
 *   <li>{@code messages}, of which the model's {@link ChatTemplate} makes one text. The tokens with
 *       a character of the assistant's parts are labels.
 * </ul>
 *
 * Gives {@code input_ids}, {@code attention_mask} and {@code labels}, not padded and not truncated.
 */
public final class LanguageExamples extends TokenizedLines {
  private final Path folder;
  private final boolean separate;
  // Read when the first line needs it: other lines go without.
  private ChatTemplate chatTemplate;

  private LanguageExamples(
      JsonLines lines, TextTokenizer tokenizer, Path folder, boolean separate) {
    super(lines, tokenizer);
    this.folder = folder;
    this.separate = separate;
  }

  /**
   * Opens a file.
   *
   * @param tokenizerFile the model folder's {@code tokenizer.json}; the chat template is beside it
   * @param separate whether the model has an encoder for the prompt
   * @throws io.fisherstreams.InvalidInput when either file cannot be read
   */
  public static LanguageExamples open(Path path, Path tokenizerFile, boolean separate) {
    Path folder = tokenizerFile.toAbsolutePath().getParent();
    return open(
        path,
        tokenizerFile,
        (lines, tokenizer) -> new LanguageExamples(lines, tokenizer, folder, separate));
  }

  @Override
  Example example(long index) {
    JsonNode line = lines.line(index);
    if (line.has("messages")) {
      return conversation(index, line);
    }
    if (line.has("text")) {
      if (line.has("prompt") || line.has("completion")) {
        throw lines.invalid(index, "expected text, or prompt and completion, found both");
      }
      if (separate) {
        throw lines.invalid(
            index,
            "expected prompt, which this model's encoder reads, and completion, which its decoder"
                + " writes; found text");
      }
      long[] ids = ids(index, "text", lines.text(line, index, "text"));
      return example(index, ids, ids.clone());
    }
    String prompt = lines.text(line, index, "prompt");
    String completion = lines.text(line, index, "completion");
    if (separate) {
      return example(index, ids(index, "prompt", prompt), ids(index, "completion", completion));
    }
    long[] ids = ids(index, "prompt and completion", prompt + completion);
    int common = Arrays.mismatch(tokens(index, prompt), ids);
    if (common < 0 || common == ids.length) {
      throw lines.invalid(index, "completion has no tokens");
    }
    long[] labels = ids.clone();
    Arrays.fill(labels, 0, common, Example.IGNORED);
    return example(index, ids, labels);
  }

  private Example conversation(long index, JsonNode line) {
    if (line.has("text") || line.has("prompt") || line.has("completion")) {
      throw lines.invalid(index, "expected messages, or a text, or prompt and completion");
    }
    if (separate) {
      // A template writes one text, and no file says which part of it the encoder should read.
      throw lines.invalid(
          index,
          "messages are for models without an encoder; give prompt, which this model's encoder"
              + " reads, and completion, which its decoder writes");
    }
    Rendered rendered = template(index).apply(lines, index, line);
    Encoding encoding = tokenizer.encodeWhole(lines, index, rendered.text());
    long[] labels = encoding.getIds().clone();
    CharSpan[] spans = encoding.getCharTokenSpans();
    BitSet generated = generated(rendered);
    boolean any = false;
    for (int i = 0; i < labels.length; i++) {
      boolean isTarget = spans[i] != null && hasOneOf(generated, spans[i]);
      labels[i] = isTarget ? labels[i] : Example.IGNORED;
      any |= isTarget;
    }
    if (!any) {
      throw lines.invalid(index, "messages: no token is the assistant's");
    }
    return example(index, encoding.getIds(), labels);
  }

  private ChatTemplate template(long index) {
    if (chatTemplate == null) {
      try {
        chatTemplate = ChatTemplate.in(folder);
      } catch (InvalidInput e) {
        throw lines.invalid(index, e.getMessage());
      }
    }
    return chatTemplate;
  }

  /** The characters that the assistant wrote, by code point. */
  private static BitSet generated(Rendered rendered) {
    BitSet generated = new BitSet();
    for (Rendered.Span part : rendered.generated()) {
      int start = rendered.text().codePointCount(0, part.start());
      generated.set(start, start + rendered.text().codePointCount(part.start(), part.end()));
    }
    return generated;
  }

  /** Whether a token has one of these characters; its span is in code points. */
  private static boolean hasOneOf(BitSet characters, CharSpan token) {
    int next = characters.nextSetBit(token.getStart());
    return next >= 0 && next < Math.max(token.getEnd(), token.getStart() + 1);
  }

  /** The tokens of a text that has some. */
  private long[] ids(long index, String key, String text) {
    long[] ids = tokens(index, text);
    if (ids.length == 0) {
      throw lines.invalid(index, key + " has no tokens");
    }
    return ids;
  }

  private long[] tokens(long index, String text) {
    return tokenizer.encode(lines, index, text, Optional.empty()).getIds();
  }

  private Example example(long index, long[] ids, long[] labels) {
    long[] mask = new long[ids.length];
    Arrays.fill(mask, 1);
    return new Example(
        origin(),
        index,
        0,
        Map.of(
            "input_ids",
            InputTensor.ofLongs(ids),
            "attention_mask",
            InputTensor.ofLongs(mask),
            Example.LABELS,
            InputTensor.ofLongs(labels)));
  }
}
