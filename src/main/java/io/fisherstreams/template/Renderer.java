package io.fisherstreams.template;

import io.fisherstreams.template.Rendered.Span;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Renders a template's statements once. */
final class Renderer {
  private enum Flow {
    NEXT,
    CONTINUE,
    BREAK
  }

  private final Budget budget;
  private final Evaluator evaluator;
  private final List<Span> generated = new ArrayList<>();
  private StringBuilder out = new StringBuilder();
  private int line = 1;

  private Renderer(Budget budget) {
    this.budget = budget;
    evaluator = new Evaluator(budget);
  }

  /** Renders statements with variables; a fault names the statement's line. */
  static Rendered render(List<Statement> statements, Map<String, ?> variables, Budget budget) {
    Renderer renderer = new Renderer(budget);
    Scope globals = new Scope(null);
    Functions.define(globals, budget);
    variables.forEach(globals::set);
    try {
      renderer.run(statements, new Scope(globals));
    } catch (TemplateFault e) {
      throw TemplateFault.at(renderer.line, e.getMessage());
    } catch (StackOverflowError e) {
      throw TemplateFault.at(renderer.line, "the template is nested too deep");
    }
    return new Rendered(renderer.out.toString(), renderer.generated);
  }

  private Flow run(List<Statement> statements, Scope scope) {
    for (Statement statement : statements) {
      Flow flow = run(statement, scope);
      if (flow != Flow.NEXT) {
        return flow;
      }
    }
    return Flow.NEXT;
  }

  private Flow run(Statement statement, Scope scope) {
    line = statement.line();
    budget.step(1);
    if (statement instanceof Statement.Text text) {
      print(text.text());
    } else if (statement instanceof Statement.Print print) {
      print(Values.text(evaluator.value(print.value(), scope)));
    } else if (statement instanceof Statement.If branches) {
      return branch(branches, scope);
    } else if (statement instanceof Statement.For loop) {
      loop(loop, scope);
    } else if (statement instanceof Statement.SetName set) {
      scope.set(set.name(), evaluator.value(set.value(), scope));
    } else if (statement instanceof Statement.SetAttribute set) {
      setAttribute(set, scope);
    } else if (statement instanceof Statement.SetBlock set) {
      scope.set(set.name(), captured(set.body(), new Scope(scope)));
    } else if (statement instanceof Statement.Macro macro) {
      scope.set(macro.name(), (Callable) (given, named) -> call(macro, scope, given, named));
    } else if (statement instanceof Statement.Generation generation) {
      int start = out.length();
      run(generation.body(), new Scope(scope));
      generated.add(new Span(start, out.length()));
    } else if (statement instanceof Statement.Jump jump) {
      return jump.ends() ? Flow.BREAK : Flow.CONTINUE;
    }
    return Flow.NEXT;
  }

  private void print(String text) {
    budget.reserve(text.length());
    out.append(text);
  }

  private Flow branch(Statement.If branches, Scope scope) {
    for (Statement.Branch branch : branches.branches()) {
      if (branch.condition() == null || evaluator.isTrue(branch.condition(), scope)) {
        return run(branch.body(), scope);
      }
    }
    return Flow.NEXT;
  }

  private void loop(Statement.For loop, Scope outer) {
    List<Object> items = budget.items(evaluator.value(loop.items(), outer));
    if (loop.condition() != null) {
      items =
          items.stream()
              .filter(item -> evaluator.isTrue(loop.condition(), turn(loop, outer, item)))
              .toList();
    }
    boolean completed = false;
    for (int i = 0; i < items.size(); i++) {
      Scope scope = turn(loop, outer, items.get(i));
      scope.set("loop", new LoopState(items, i));
      Flow flow = run(loop.body(), scope);
      completed |= flow == Flow.NEXT;
      if (flow == Flow.BREAK) {
        break;
      }
    }
    // Jinja's rule: also after turns that all ended with break or continue.
    if (!completed) {
      run(loop.otherwise(), new Scope(outer));
    }
  }

  private Scope turn(Statement.For loop, Scope outer, Object item) {
    Scope scope = new Scope(outer);
    List<String> targets = loop.targets();
    if (targets.size() == 1) {
      scope.set(targets.get(0), item);
      return scope;
    }
    List<Object> parts = budget.items(item);
    if (parts.size() != targets.size()) {
      throw new TemplateFault(
          "expected " + targets.size() + " values in an item, found " + parts.size());
    }
    for (int i = 0; i < parts.size(); i++) {
      scope.set(targets.get(i), parts.get(i));
    }
    return scope;
  }

  private void setAttribute(Statement.SetAttribute set, Scope scope) {
    Object value = evaluator.value(set.value(), scope);
    if (!(scope.get(set.namespace()) instanceof Namespace namespace)) {
      throw new TemplateFault(set.namespace() + " is no namespace");
    }
    namespace.set(set.attribute(), value);
  }

  private String captured(List<Statement> body, Scope scope) {
    StringBuilder outer = out;
    out = new StringBuilder();
    try {
      run(body, scope);
      return out.toString();
    } finally {
      out = outer;
    }
  }

  private Object call(
      Statement.Macro macro, Scope outer, List<Object> given, Map<String, Object> named) {
    int caller = line;
    Scope scope = new Scope(outer);
    List<String> parameters = macro.parameters();
    List<Object> values =
        new Arguments(macro.name(), given, named).ordered(parameters.toArray(String[]::new));
    for (int i = 0; i < parameters.size(); i++) {
      String name = parameters.get(i);
      boolean isGiven = i < given.size() || named.containsKey(name);
      Expression byDefault = macro.defaults().get(i);
      scope.set(
          name,
          isGiven
              ? values.get(i)
              : byDefault == null ? new Undefined(name) : evaluator.value(byDefault, scope));
    }
    String text = captured(macro.body(), scope);
    line = caller;
    return text;
  }
}
