package io.fisherstreams.template;

import io.fisherstreams.template.Expression.Arguments;
import io.fisherstreams.template.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Parses what operators work on: a literal, a name or brackets, and what follows it directly. */
final class OperandParser {
  private static final Set<Kind> ARGUMENT_STARTS =
      Set.of(Kind.NAME, Kind.STRING, Kind.INTEGER, Kind.FLOAT);
  private static final Set<String> NO_ARGUMENT = Set.of("else", "or", "and", "is", "if", "not");
  private static final Arguments NONE = new Arguments(List.of(), Map.of());

  private final TokenStream tokens;
  private final ExpressionParser expressions;

  OperandParser(TokenStream tokens, ExpressionParser expressions) {
    this.tokens = tokens;
    this.expressions = expressions;
  }

  Expression primary() {
    Token token = tokens.peek();
    return switch (token.kind()) {
      case NAME -> name(tokens.next());
      case STRING -> strings();
      case INTEGER -> new Expression.Literal(integer(tokens.next()));
      case FLOAT -> new Expression.Literal(Double.valueOf(tokens.next().text()));
      case OPERATOR -> bracketed();
      default -> throw tokens.unexpected("an expression");
    };
  }

  private static Long integer(Token token) {
    try {
      return Long.valueOf(token.text());
    } catch (NumberFormatException e) {
      throw TemplateFault.at(token.line(), "the number " + token.text() + " is too large");
    }
  }

  private Expression name(Token token) {
    return switch (token.text()) {
      case "true", "True" -> new Expression.Literal(true);
      case "false", "False" -> new Expression.Literal(false);
      case "none", "None" -> new Expression.Literal(null);
      case "and", "or", "not", "in", "is", "if", "else" ->
          throw TemplateFault.at(
              token.line(), "expected an expression, found '" + token.text() + "'");
      default -> new Expression.Name(token.text());
    };
  }

  private Expression strings() {
    StringBuilder text = new StringBuilder();
    while (tokens.peek().kind() == Kind.STRING) {
      text.append(tokens.next().text());
    }
    return new Expression.Literal(text.toString());
  }

  private Expression bracketed() {
    if (tokens.acceptOperator("[")) {
      return new Expression.ListOf(items("]", new ArrayList<>()));
    }
    if (tokens.acceptOperator("{")) {
      return map();
    }
    tokens.expectOperator("(");
    if (tokens.acceptOperator(")")) {
      return new Expression.ListOf(List.of());
    }
    Expression first = expressions.expression();
    if (!tokens.acceptOperator(",")) {
      tokens.expectOperator(")");
      return first;
    }
    return new Expression.ListOf(items(")", new ArrayList<>(List.of(first))));
  }

  private List<Expression> items(String end, List<Expression> items) {
    while (!tokens.acceptOperator(end)) {
      items.add(expressions.expression());
      if (!tokens.isOperator(end)) {
        tokens.expectOperator(",");
      }
    }
    return items;
  }

  private Expression map() {
    List<Expression> keys = new ArrayList<>();
    List<Expression> values = new ArrayList<>();
    while (!tokens.acceptOperator("}")) {
      keys.add(expressions.expression());
      tokens.expectOperator(":");
      values.add(expressions.expression());
      if (!tokens.isOperator("}")) {
        tokens.expectOperator(",");
      }
    }
    return new Expression.MapOf(keys, values);
  }

  Expression postfix(Expression base) {
    Expression value = base;
    while (true) {
      if (tokens.acceptOperator(".")) {
        Token name = tokens.next();
        if (name.kind() == Kind.INTEGER) {
          value = new Expression.Item(value, new Expression.Literal(integer(name)));
        } else if (name.kind() == Kind.NAME) {
          value = new Expression.Attribute(value, name.text());
        } else {
          throw TemplateFault.at(name.line(), "expected a name after '.', found " + name.shown());
        }
      } else if (tokens.acceptOperator("[")) {
        value = subscript(value);
      } else if (tokens.isOperator("(")) {
        value = new Expression.Call(value, arguments());
      } else {
        return value;
      }
    }
  }

  private Expression subscript(Expression base) {
    Expression start = tokens.isOperator(":") ? null : expressions.expression();
    if (tokens.acceptOperator("]")) {
      return new Expression.Item(base, start);
    }
    tokens.expectOperator(":");
    Expression stop =
        tokens.isOperator(":") || tokens.isOperator("]") ? null : expressions.expression();
    Expression step =
        tokens.acceptOperator(":") && !tokens.isOperator("]") ? expressions.expression() : null;
    tokens.expectOperator("]");
    return new Expression.Slice(base, start, stop, step);
  }

  private Arguments arguments() {
    tokens.expectOperator("(");
    List<Expression> positional = new ArrayList<>();
    Map<String, Expression> named = new LinkedHashMap<>();
    while (!tokens.acceptOperator(")")) {
      if (tokens.peek().kind() == Kind.NAME && tokens.second().isOperator("=")) {
        Token name = tokens.next();
        tokens.next();
        if (named.put(name.text(), expressions.expression()) != null) {
          throw TemplateFault.at(name.line(), "argument " + name.text() + " is given twice");
        }
      } else if (named.isEmpty()) {
        positional.add(expressions.expression());
      } else {
        throw tokens.unexpected("a named argument");
      }
      if (!tokens.isOperator(")")) {
        tokens.expectOperator(",");
      }
    }
    return new Arguments(positional, named);
  }

  Expression filtered(Expression base) {
    Expression value = base;
    while (true) {
      if (tokens.acceptOperator("|")) {
        String name = tokens.expect(Kind.NAME, "a filter").text();
        Filters.requireKnown(tokens.line(), name);
        value = new Expression.Filter(value, name, optionalArguments());
      } else if (tokens.acceptName("is")) {
        value = test(value);
      } else if (tokens.isOperator("(")) {
        value = new Expression.Call(value, arguments());
      } else {
        return value;
      }
    }
  }

  private Arguments optionalArguments() {
    return tokens.isOperator("(") ? arguments() : NONE;
  }

  private Expression test(Expression value) {
    boolean negated = tokens.acceptName("not");
    String name = tokens.expect(Kind.NAME, "a test").text();
    IsTests.requireKnown(tokens.line(), name);
    Expression test = new Expression.Test(value, name, testArguments());
    return negated ? new Expression.Not(test) : test;
  }

  /** Of a test: {@code (…)}, or one value without brackets. */
  private Arguments testArguments() {
    Token token = tokens.peek();
    boolean starts =
        ARGUMENT_STARTS.contains(token.kind())
            ? token.kind() != Kind.NAME || !NO_ARGUMENT.contains(token.text())
            : token.isOperator("[") || token.isOperator("{");
    return starts ? new Arguments(List.of(postfix(primary())), Map.of()) : optionalArguments();
  }
}
