package io.fisherstreams.checkpoint;

import io.fisherstreams.tensor.TensorInfo;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** Explains why a file lacks tensors: looks at what is there, and says what to do next. */
public final class MissingNames {
  private static final Pattern BUFFER =
      Pattern.compile(
          "(.*\\.)?(attn\\.bias|attn\\.masked_bias|attention\\.bias|attention\\.masked_bias|position_ids"
              + "|token_type_ids|inv_freq|num_batches_tracked|rotary_emb\\.[a-z_]+|causal_mask)");

  private MissingNames() {}

  /**
   * Whether a name is that of a buffer, which some versions of a library save and others do not.
   */
  public static boolean isBuffer(String name) {
    return BUFFER.matcher(name).matches();
  }

  /**
   * The explanation, which follows the list of missing names; empty when nothing is recognised.
   *
   * @param file where they are missing
   * @param missing the missing names
   * @param wanted all names that were looked for
   */
  public static String explain(
      Checkpoint file, Collection<String> missing, Collection<String> wanted) {
    StringBuilder text = new StringBuilder();
    Collection<String> names = file.tensors().keySet();
    Optional<NameMatch> best = NameMatch.best(names, wanted);
    List<String> left =
        missing.stream()
            .filter(name -> best.isEmpty() || !best.get().names().containsKey(name))
            .toList();
    if (best.isPresent()) {
      String example =
          missing.stream().filter(best.get().names()::containsKey).findFirst().orElseThrow();
      text.append(
          String.format(
              Locale.ROOT,
              "; read %s, %d of them are there ('%s' is '%s')",
              best.get().description(),
              missing.size() - left.size(),
              example,
              best.get().names().get(example)));
    }
    List<String> buffers = left.stream().filter(MissingNames::isBuffer).toList();
    if (!buffers.isEmpty()) {
      text.append(
          "; %s is a buffer, which newer versions of the library do not save: exclude it with"
              .formatted(buffers.get(0)));
      text.append(" exclude_param_names_regex: ['").append(pattern(buffers.get(0))).append("']");
    }
    left.stream()
        .filter(MissingNames::isHead)
        .findFirst()
        .ifPresent(
            head ->
                text.append(
                    "; %s is a head: exclude it with exclude_param_names_regex: ['%s'] if the model has a head of its own, or, if it is tied to the embedding, let the base's config.json say tie_word_embeddings"
                        .formatted(head, head.replace(".", "\\."))));
    if (text.isEmpty() && !names.isEmpty()) {
      text.append("; it has ").append(names.iterator().next());
      text.append(
          names.size() > 1 ? String.format(Locale.ROOT, " and %d others", names.size() - 1) : "");
      text.append(": is it a model of the same architecture as the base?");
    }
    return text.toString();
  }

  /** What a shape that differs from the base's may mean; empty when nothing is recognised. */
  public static String explainShape(TensorInfo found, TensorInfo expected) {
    List<Long> has = found.shape();
    List<Long> wants = expected.shape();
    if (has.size() == 2
        && wants.size() == 2
        && has.get(1).equals(wants.get(1))
        && found.name().matches(".*(embed|wte|lm_head|shared|word_embeddings).*")) {
      return has.get(0) > wants.get(0)
          ? String.format(
              Locale.ROOT,
              ": the model's vocabulary has grown by %d tokens; remove them (resize_token_embeddings), or exclude the tensor",
              has.get(0) - wants.get(0))
          : String.format(
              Locale.ROOT,
              ": the model's vocabulary has %d tokens fewer than the base's",
              wants.get(0) - has.get(0));
    }
    if (has.size() == 2
        && wants.size() == 2
        && has.get(0).equals(wants.get(1))
        && has.get(1).equals(wants.get(0))) {
      return ": it is transposed, as another layer class stores it";
    }
    return "";
  }

  private static boolean isHead(String name) {
    return name.matches("(.*\\.)?(lm_head|classifier|score|head|embed_out|qa_outputs)\\..*");
  }

  private static String pattern(String buffer) {
    int cut = buffer.lastIndexOf('.', buffer.lastIndexOf('.') - 1);
    return ".*" + buffer.substring(cut + 1).replace(".", "\\.") + "$";
  }
}
