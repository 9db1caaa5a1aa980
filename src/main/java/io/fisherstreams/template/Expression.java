package io.fisherstreams.template;

import java.util.List;
import java.util.Map;

/** What is between a tag's braces, parsed. */
sealed interface Expression {
  /** A text, number, boolean or none. */
  record Literal(Object value) implements Expression {}

  /** A list, or a tuple, which behaves the same here. */
  record ListOf(List<Expression> items) implements Expression {}

  /** A map from texts. */
  record MapOf(List<Expression> keys, List<Expression> values) implements Expression {}

  /** A variable. */
  record Name(String name) implements Expression {}

  /** {@code base.name}. */
  record Attribute(Expression base, String name) implements Expression {}

  /** {@code base[key]}. */
  record Item(Expression base, Expression key) implements Expression {}

  /** {@code base[start:stop:step]}; each of them may be null. */
  record Slice(Expression base, Expression start, Expression stop, Expression step)
      implements Expression {}

  /** Positional and named arguments. */
  record Arguments(List<Expression> positional, Map<String, Expression> named) {}

  /** {@code function(…)}. */
  record Call(Expression function, Arguments arguments) implements Expression {}

  /** {@code value | name(…)}. */
  record Filter(Expression value, String name, Arguments arguments) implements Expression {}

  /** {@code value is name(…)}. */
  record Test(Expression value, String name, Arguments arguments) implements Expression {}

  /** {@code not value}. */
  record Not(Expression value) implements Expression {}

  /** {@code left and right}: the left value when it is false, else the right one. */
  record And(Expression left, Expression right) implements Expression {}

  /** {@code left or right}: the left value when it is true, else the right one. */
  record Or(Expression left, Expression right) implements Expression {}

  /** {@code -value} or {@code +value}. */
  record Sign(boolean negative, Expression value) implements Expression {}

  /** An operation on two values. */
  record Binary(String operator, Expression left, Expression right) implements Expression {}

  /** {@code first < second == third …}: each with the next one. */
  record Comparison(Expression first, List<String> operators, List<Expression> others)
      implements Expression {}

  /** {@code yes if condition else no}; {@code no} may be null. */
  record Conditional(Expression condition, Expression yes, Expression no) implements Expression {}
}
