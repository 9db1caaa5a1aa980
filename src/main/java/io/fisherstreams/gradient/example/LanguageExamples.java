package io.fisherstreams.gradient.example;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;

/**
 * Examples for a language model in a JSON Lines file, tokenised by the model's {@code
 * tokenizer.json}. A line has {@code text}, of which every token is a label, or {@code prompt} and
 * {@code completion}, of which the completion's tokens are labels. Both texts are tokenised
 * together; a token that reaches from the prompt into the completion is the completion's. For an
 * encoder and decoder, the prompt alone is the input and the completion alone the labels. Gives
 * {@code input_ids}, {@code attention_mask} and {@code labels}, not padded and not truncated.
 */
public final class LanguageExamples extends TokenizedLines {
  private static final long IGNORED = -100;

  private final boolean separate;

  private LanguageExamples(JsonLines lines, TextTokenizer tokenizer, boolean separate) {
    super(lines, tokenizer);
    this.separate = separate;
  }

  /**
   * Opens a file.
   *
   * @param tokenizerFile the model folder's {@code tokenizer.json}
   * @param separate whether the model has an encoder for the prompt
   * @throws io.fisherstreams.InvalidInput when either file cannot be read
   */
  public static LanguageExamples open(Path path, Path tokenizerFile, boolean separate) {
    return open(
        path,
        tokenizerFile,
        (lines, tokenizer) -> new LanguageExamples(lines, tokenizer, separate));
  }

  @Override
  Example example(long index) {
    JsonNode line = lines.line(index);
    if (line.has("messages")) {
      throw lines.invalid(
          index,
          "messages need the model's chat template, and templates cannot be applied here; apply it"
              + " first and give the result as text, or as prompt and completion");
    }
    if (line.has("text")) {
      if (line.has("prompt") || line.has("completion")) {
        throw lines.invalid(index, "expected text, or prompt and completion, found both");
      }
      if (separate) {
        throw lines.invalid(
            index, "expected prompt and completion: the model has an encoder and a decoder");
      }
      long[] ids = ids(index, lines.text(line, index, "text"));
      return example(index, ids, ids.clone());
    }
    String prompt = lines.text(line, index, "prompt");
    String completion = lines.text(line, index, "completion");
    if (separate) {
      return example(index, ids(index, prompt), ids(index, completion));
    }
    long[] ids = ids(index, prompt + completion);
    int common = Arrays.mismatch(ids(index, prompt), ids);
    if (common < 0 || common == ids.length) {
      throw lines.invalid(index, "completion has no tokens");
    }
    long[] labels = ids.clone();
    Arrays.fill(labels, 0, common, IGNORED);
    return example(index, ids, labels);
  }

  private long[] ids(long index, String text) {
    return tokenizer.encode(lines, index, text, Optional.empty()).getIds();
  }

  private Example example(long index, long[] ids, long[] labels) {
    if (ids.length == 0) {
      throw lines.invalid(index, "text has no tokens");
    }
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
