package io.fisherstreams.template;

import java.util.List;

/** A part of a template. */
sealed interface Statement {
  /** The line where it begins, from 1. */
  int line();

  /** Text as it is. */
  record Text(int line, String text) implements Statement {}

  /** The value of an expression. */
  record Print(int line, Expression value) implements Statement {}

  /** The first branch whose condition is true; a condition that is null is {@code else}. */
  record If(int line, List<Branch> branches) implements Statement {}

  /** A branch of {@link If}. */
  record Branch(Expression condition, List<Statement> body) {}

  /**
   * A loop.
   *
   * @param targets one name, or several that take an item apart
   * @param condition which items; null for all
   * @param otherwise what is rendered when there is no item
   */
  record For(
      int line,
      List<String> targets,
      Expression items,
      Expression condition,
      List<Statement> body,
      List<Statement> otherwise)
      implements Statement {}

  /** {@code set name = value}. */
  record SetName(int line, String name, Expression value) implements Statement {}

  /** {@code set namespace.attribute = value}. */
  record SetAttribute(int line, String namespace, String attribute, Expression value)
      implements Statement {}

  /** {@code set name} to the text of a block. */
  record SetBlock(int line, String name, List<Statement> body) implements Statement {}

  /**
   * A function whose value is the text of its body.
   *
   * @param defaults of each parameter; null for none
   */
  record Macro(
      int line,
      String name,
      List<String> parameters,
      List<Expression> defaults,
      List<Statement> body)
      implements Statement {}

  /** What the model generates. */
  record Generation(int line, List<Statement> body) implements Statement {}

  /** {@code continue}, or {@code break}. */
  record Jump(int line, boolean ends) implements Statement {}
}
