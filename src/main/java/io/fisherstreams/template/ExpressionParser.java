package io.fisherstreams.template;

import io.fisherstreams.template.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Parses expressions with Jinja's precedence, weakest first: {@code if … else}, {@code or}, {@code
 * and}, {@code not}, comparisons, {@code + -}, {@code ~}, {@code * / // %}, {@code **}, signs,
 * filters and tests.
 */
final class ExpressionParser {
  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

  private final TokenStream tokens;
  private final OperandParser operands;

  ExpressionParser(TokenStream tokens) {
    this.tokens = tokens;
    operands = new OperandParser(tokens, this);
  }

  Expression expression() {
    Expression value = or();
    while (tokens.acceptName("if")) {
      Expression condition = or();
      Expression no = tokens.acceptName("else") ? expression() : null;
      value = new Expression.Conditional(condition, value, no);
    }
    return value;
  }

  /** An expression without {@code if … else}, which means something else in some tags. */
  Expression or() {
    Expression left = and();
    while (tokens.acceptName("or")) {
      left = new Expression.Or(left, and());
    }
    return left;
  }

  private Expression and() {
    Expression left = not();
    while (tokens.acceptName("and")) {
      left = new Expression.And(left, not());
    }
    return left;
  }

  private Expression not() {
    return tokens.acceptName("not") ? new Expression.Not(not()) : comparison();
  }

  private Expression comparison() {
    Expression first = sum();
    List<String> operators = new ArrayList<>();
    List<Expression> others = new ArrayList<>();
    while (true) {
      Token token = tokens.peek();
      if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.text())) {
        operators.add(tokens.next().text());
      } else if (tokens.acceptName("in")) {
        operators.add("in");
      } else if (token.isName("not") && tokens.second().isName("in")) {
        tokens.next();
        tokens.next();
        operators.add("not in");
      } else {
        break;
      }
      others.add(sum());
    }
    return others.isEmpty() ? first : new Expression.Comparison(first, operators, others);
  }

  private Expression sum() {
    Expression left = concatenation();
    while (tokens.isOperator("+") || tokens.isOperator("-")) {
      left = new Expression.Binary(tokens.next().text(), left, concatenation());
    }
    return left;
  }

  private Expression concatenation() {
    Expression left = product();
    while (tokens.isOperator("~")) {
      left = new Expression.Binary(tokens.next().text(), left, product());
    }
    return left;
  }

  private Expression product() {
    Expression left = power();
    while (tokens.isOperator("*")
        || tokens.isOperator("/")
        || tokens.isOperator("//")
        || tokens.isOperator("%")) {
      left = new Expression.Binary(tokens.next().text(), left, power());
    }
    return left;
  }

  private Expression power() {
    Expression left = signed(true);
    if (tokens.isOperator("**")) {
      throw TemplateFault.at(tokens.line(), "the operator ** is not implemented");
    }
    return left;
  }

  private Expression signed(boolean withFilters) {
    Expression value;
    if (tokens.isOperator("-") || tokens.isOperator("+")) {
      value = new Expression.Sign(tokens.next().text().equals("-"), signed(false));
    } else {
      value = operands.primary();
    }
    value = operands.postfix(value);
    return withFilters ? operands.filtered(value) : value;
  }
}
