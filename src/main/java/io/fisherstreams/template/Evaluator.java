package io.fisherstreams.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Computes the values of expressions. */
final class Evaluator {
  private final Budget budget;
  private final Operators operators;
  private final Access access;
  private final Comparison comparison;
  private final IsTests tests;
  private final Filters filters;

  Evaluator(Budget budget) {
    this.budget = budget;
    operators = new Operators(budget);
    Methods methods = new Methods(budget);
    access = new Access(methods, operators);
    comparison = new Comparison(budget);
    tests = new IsTests(comparison);
    filters = new Filters(budget, methods, access, tests, comparison);
  }

  Object value(Expression expression, Scope scope) {
    budget.step(1);
    if (expression instanceof Expression.Literal literal) {
      return literal.value();
    }
    if (expression instanceof Expression.Name name) {
      return scope.get(name.name());
    }
    if (expression instanceof Expression.Attribute attribute) {
      return access.attribute(value(attribute.base(), scope), attribute.name());
    }
    if (expression instanceof Expression.Item item) {
      return access.item(value(item.base(), scope), value(item.key(), scope));
    }
    if (expression instanceof Expression.Call call) {
      return call(call, scope);
    }
    if (expression instanceof Expression.Filter filter) {
      Object value = value(filter.value(), scope);
      Arguments arguments = arguments("filter " + filter.name(), filter.arguments(), scope);
      return filters.apply(value, filter.name(), arguments);
    }
    if (expression instanceof Expression.Test test) {
      Object value = value(test.value(), scope);
      Arguments arguments = arguments("test " + test.name(), test.arguments(), scope);
      return tests.test(value, test.name(), arguments);
    }
    return operation(expression, scope);
  }

  boolean isTrue(Expression expression, Scope scope) {
    return Values.isTrue(value(expression, scope));
  }

  private Object operation(Expression expression, Scope scope) {
    if (expression instanceof Expression.Not not) {
      return !isTrue(not.value(), scope);
    }
    if (expression instanceof Expression.And and) {
      Object left = value(and.left(), scope);
      return Values.isTrue(left) ? value(and.right(), scope) : left;
    }
    if (expression instanceof Expression.Or or) {
      Object left = value(or.left(), scope);
      return Values.isTrue(left) ? left : value(or.right(), scope);
    }
    if (expression instanceof Expression.Comparison chain) {
      return compared(chain, scope);
    }
    if (expression instanceof Expression.Binary binary) {
      return operators.binary(
          binary.operator(), value(binary.left(), scope), value(binary.right(), scope));
    }
    if (expression instanceof Expression.Sign sign) {
      return Operators.sign(sign.negative(), value(sign.value(), scope));
    }
    if (expression instanceof Expression.Conditional conditional) {
      if (isTrue(conditional.condition(), scope)) {
        return value(conditional.yes(), scope);
      }
      return conditional.no() == null
          ? new Undefined("a conditional expression without else")
          : value(conditional.no(), scope);
    }
    return collection(expression, scope);
  }

  private Object collection(Expression expression, Scope scope) {
    if (expression instanceof Expression.ListOf list) {
      return values(list.items(), scope);
    }
    if (expression instanceof Expression.MapOf map) {
      Map<String, Object> values = new LinkedHashMap<>();
      for (int i = 0; i < map.keys().size(); i++) {
        String key = Values.requireText(value(map.keys().get(i), scope));
        values.put(key, value(map.values().get(i), scope));
      }
      return values;
    }
    Expression.Slice slice = (Expression.Slice) expression;
    return operators.slice(
        value(slice.base(), scope),
        optional(slice.start(), scope),
        optional(slice.stop(), scope),
        optional(slice.step(), scope));
  }

  private Object optional(Expression expression, Scope scope) {
    return expression == null ? null : value(expression, scope);
  }

  private Object compared(Expression.Comparison chain, Scope scope) {
    Object left = value(chain.first(), scope);
    for (int i = 0; i < chain.operators().size(); i++) {
      Object right = value(chain.others().get(i), scope);
      if (!comparison.holds(chain.operators().get(i), left, right)) {
        return false;
      }
      left = right;
    }
    return true;
  }

  private Object call(Expression.Call call, Scope scope) {
    Object function = value(call.function(), scope);
    if (function instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (!(function instanceof Callable callable)) {
      throw new TemplateFault(Values.kind(function) + " cannot be called");
    }
    Arguments arguments = arguments("a call", call.arguments(), scope);
    return callable.call(arguments.positional(), arguments.named());
  }

  private Arguments arguments(String of, Expression.Arguments arguments, Scope scope) {
    Map<String, Object> named = new LinkedHashMap<>();
    arguments.named().forEach((name, expression) -> named.put(name, value(expression, scope)));
    return new Arguments(of, values(arguments.positional(), scope), named);
  }

  private List<Object> values(List<Expression> expressions, Scope scope) {
    List<Object> values = new ArrayList<>();
    expressions.forEach(expression -> values.add(value(expression, scope)));
    return values;
  }
}
