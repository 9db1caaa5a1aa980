package io.fisherstreams.gradient.example;

import ai.djl.huggingface.tokenizers.Encoding;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * Examples in a JSON Lines file with {@code text}, optionally {@code text_pair}, and {@code label},
 * tokenised by the model's {@code tokenizer.json}. Gives {@code input_ids}, {@code attention_mask}
 * and, for models that read them, {@code token_type_ids}, not padded and not truncated. A label is
 * a class, or a number for a regression.
 */
public final class TextExamples extends TokenizedLines {
  private final Function<String, Optional<Long>> classNamed;
  private final boolean tokenTypes;

  private TextExamples(
      JsonLines lines,
      TextTokenizer tokenizer,
      Function<String, Optional<Long>> classNamed,
      boolean tokenTypes) {
    super(lines, tokenizer);
    this.classNamed = classNamed;
    this.tokenTypes = tokenTypes;
  }

  /**
   * Opens a file.
   *
   * @param tokenizerFile the model folder's {@code tokenizer.json}
   * @param classNamed the model's class of a label that is a name
   * @param tokenTypes whether the model reads which text of a pair a token is of
   * @throws io.fisherstreams.InvalidInput when either file cannot be read
   */
  public static TextExamples open(
      Path path,
      Path tokenizerFile,
      Function<String, Optional<Long>> classNamed,
      boolean tokenTypes) {
    return open(
        path,
        tokenizerFile,
        (lines, tokenizer) -> new TextExamples(lines, tokenizer, classNamed, tokenTypes));
  }

  @Override
  Example example(long index) {
    JsonNode line = lines.line(index);
    if (!line.has("text") && Stream.of("prompt", "completion", "messages").anyMatch(line::has)) {
      throw lines.invalid(
          index,
          "expected text and label: the model has classes or a number to predict; prompt and"
              + " completion, and messages, are for models that predict tokens");
    }
    String text = lines.text(line, index, "text");
    Encoding encoding =
        tokenizer.encode(lines, index, text, lines.optionalText(line, index, "text_pair"));
    if (encoding.getIds().length == 0) {
      throw lines.invalid(index, "text has no tokens");
    }
    return example(line, index, encoding);
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
}
