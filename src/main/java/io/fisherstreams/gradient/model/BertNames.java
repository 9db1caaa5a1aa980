package io.fisherstreams.gradient.model;

import java.util.List;

/** Where {@link BertFamily}'s models differ: the keys of their configs and names of tensors. */
enum BertNames {
  BERT,
  ROBERTA,
  DISTILBERT;

  boolean isBert() {
    return this == BERT;
  }

  boolean isRoberta() {
    return this == ROBERTA;
  }

  boolean isDistilled() {
    return this == DISTILBERT;
  }

  private String choose(String usual, String distilled) {
    return isDistilled() ? distilled : usual;
  }

  String width() {
    return choose("hidden_size", "dim");
  }

  String heads() {
    return choose("num_attention_heads", "n_heads");
  }

  String layers() {
    return choose("num_hidden_layers", "n_layers");
  }

  String inner() {
    return choose("intermediate_size", "hidden_dim");
  }

  String activation() {
    return choose("hidden_act", "activation");
  }

  int vocabulary() {
    return isRoberta() ? 50265 : 30522;
  }

  String prefix() {
    return switch (this) {
      case BERT -> "bert.";
      case ROBERTA -> "roberta.";
      case DISTILBERT -> "distilbert.";
    };
  }

  String block() {
    return choose("encoder.layer.", "transformer.layer.");
  }

  String query() {
    return choose("attention.self.query", "attention.q_lin");
  }

  String key() {
    return choose("attention.self.key", "attention.k_lin");
  }

  String value() {
    return choose("attention.self.value", "attention.v_lin");
  }

  String out() {
    return choose("attention.output.dense", "attention.out_lin");
  }

  String attentionNorm() {
    return choose("attention.output.LayerNorm", "sa_layer_norm");
  }

  String up() {
    return choose("intermediate.dense", "ffn.lin1");
  }

  String down() {
    return choose("output.dense", "ffn.lin2");
  }

  String mlpNorm() {
    return choose("output.LayerNorm", "output_layer_norm");
  }

  /** The layer between the read row and the classifier. */
  String dense() {
    return switch (this) {
      case BERT -> "pooler.dense";
      case ROBERTA -> "classifier.dense";
      case DISTILBERT -> "pre_classifier";
    };
  }

  Activation headActivation() {
    return isDistilled() ? Activation.RELU : Activation.TANH;
  }

  String classifier() {
    return isRoberta() ? "classifier.out_proj" : "classifier";
  }

  /** What the names of the pretraining's heads begin with. */
  List<String> pretrainingHeads() {
    return switch (this) {
      case BERT -> List.of("cls.");
      case ROBERTA -> List.of("lm_head.");
      case DISTILBERT -> List.of("vocab_");
    };
  }
}
