package io.fisherstreams.checkpoint;

import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The pairs of names that language models give to one parameter: the head and the embedding of the
 * tokens, the embeddings of encoder and decoder and their shared one, the two names of a head's
 * bias. The names alone say that two tensors may be one parameter, not that they are.
 */
final class TiedNames {
  private static final Pattern EMBEDDING =
      Pattern.compile(
          "(.*\\.)?(wte|tokens_embed|embed_tokens|embed_in|tok_embeddings|word_embeddings?|embeddings"
              + "|shared)\\.weight");
  private static final Pattern HEAD =
      Pattern.compile(
          "(.*\\.)?(lm_head|lm_head\\.decoder|predictions\\.decoder|generator_lm_head|vocab_projector"
              + "|embed_out|unembed|output|output_layer|proj_out|lm_loss|pred_layer\\.proj)\\.weight");
  private static final Pattern PART =
      Pattern.compile("(.*\\.)?(?:encoder|decoder)\\.embed_tokens\\.weight");
  private static final Pattern HEAD_BIAS =
      Pattern.compile("((?:.*\\.)?(?:lm_head|predictions)\\.)decoder\\.bias");

  private TiedNames() {}

  /** By the second name of each parameter that may have two: its first name. */
  static SortedMap<String, String> pairs(Collection<String> names) {
    SortedMap<String, String> sources = new TreeMap<>();
    for (String name : names) {
      Matcher part = PART.matcher(name);
      if (part.matches()) {
        add(sources, name, part.group(1) == null ? "" : part.group(1), "shared.weight", names);
      }
      Matcher bias = HEAD_BIAS.matcher(name);
      if (bias.matches()) {
        add(sources, name, bias.group(1), "bias", names);
      }
    }
    List<String> embeddings = names.stream().filter(TiedNames::isEmbedding).sorted().toList();
    for (String name : names) {
      if (HEAD.matcher(name).matches()) {
        nearest(name, embeddings)
            .ifPresent(source -> sources.put(name, sources.getOrDefault(source, source)));
      }
    }
    return sources;
  }

  /** Whether a pair is a head's bias, which no setting unties. */
  static boolean isBias(String name) {
    return HEAD_BIAS.matcher(name).matches();
  }

  private static void add(
      SortedMap<String, String> sources,
      String name,
      String stem,
      String source,
      Collection<String> names) {
    if (names.contains(stem + source)) {
      sources.put(name, stem + source);
    }
  }

  private static boolean isEmbedding(String name) {
    return EMBEDDING.matcher(name).matches();
  }

  /**
   * The embedding in the same part of the model as a head; of encoder and decoder, the shared one
   * or the decoder's. Empty when two others are equally near, as in a model of two towers.
   */
  private static Optional<String> nearest(String head, List<String> embeddings) {
    int most = embeddings.stream().mapToInt(name -> commonParts(name, head)).max().orElse(0);
    List<String> near =
        embeddings.stream().filter(name -> commonParts(name, head) == most).toList();
    List<String> whole = near.stream().filter(name -> !PART.matcher(name).matches()).toList();
    List<String> decoders = near.stream().filter(name -> name.contains("decoder.")).toList();
    List<String> left = !whole.isEmpty() ? whole : near.size() > 1 ? decoders : near;
    return left.size() == 1 ? Optional.of(left.get(0)) : Optional.empty();
  }

  private static int commonParts(String a, String b) {
    int at = Arrays.mismatch(a.split("\\."), b.split("\\."));
    return at < 0 ? a.split("\\.").length : at;
  }
}
