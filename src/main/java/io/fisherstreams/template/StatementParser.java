package io.fisherstreams.template;

import io.fisherstreams.template.Statement.Branch;
import io.fisherstreams.template.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Parses a template's text, prints and tags. */
final class StatementParser {
  private final TokenStream tokens;
  private final ExpressionParser expressions;
  private int loops;
  private boolean inGeneration;
  private boolean inCapture;
  private boolean marksGenerated;

  private StatementParser(TokenStream tokens) {
    this.tokens = tokens;
    expressions = new ExpressionParser(tokens);
  }

  /**
   * Parses a whole template.
   *
   * @throws TemplateFault when it is none, or uses something that is not implemented
   */
  static Template parse(String template) {
    StatementParser parser = new StatementParser(new TokenStream(Lexer.tokens(template)));
    List<Statement> statements = parser.until(Set.of());
    return new Template(statements, parser.marksGenerated);
  }

  /** Statements up to a tag with one of these names, whose start is read too. */
  private List<Statement> until(Set<String> ends) {
    int line = tokens.line();
    List<Statement> statements = new ArrayList<>();
    while (tokens.peek().kind() != Kind.END) {
      Token token = tokens.next();
      switch (token.kind()) {
        case TEXT -> statements.add(new Statement.Text(token.line(), token.text()));
        case PRINT_START -> {
          statements.add(new Statement.Print(token.line(), expressions.expression()));
          tokens.expect(Kind.PRINT_END, "'}}'");
        }
        default -> {
          if (ends.contains(tokens.peek().text())) {
            return statements;
          }
          statements.add(tag(token.line()));
        }
      }
    }
    if (!ends.isEmpty()) {
      throw TemplateFault.at(line, "a tag has no " + String.join(" or ", sorted(ends)));
    }
    return statements;
  }

  private static List<String> sorted(Set<String> names) {
    return names.stream().sorted().toList();
  }

  private Statement tag(int line) {
    String name = tokens.expect(Kind.NAME, "a tag").text();
    return switch (name) {
      case "if" -> branches(line);
      case "for" -> loop(line);
      case "set" -> assignment(line);
      case "macro" -> macro(line);
      case "generation" -> generation(line);
      case "break", "continue" -> jump(line, name);
      case "include", "import", "from", "extends", "block" ->
          throw TemplateFault.at(line, "tag " + name + ": a template cannot use other templates");
      default -> throw TemplateFault.at(line, "tag " + name + " is not known here");
    };
  }

  private void endTag() {
    tokens.expect(Kind.BLOCK_END, "'%}'");
  }

  private List<Statement> body(String end) {
    endTag();
    List<Statement> body = until(Set.of(end));
    tokens.expectName(end);
    endTag();
    return body;
  }

  private Statement branches(int line) {
    List<Branch> branches = new ArrayList<>();
    Expression condition = expressions.or();
    while (true) {
      endTag();
      branches.add(
          new Branch(
              condition,
              until(condition == null ? Set.of("endif") : Set.of("elif", "else", "endif"))));
      String next = tokens.next().text();
      if (next.equals("endif")) {
        endTag();
        return new Statement.If(line, branches);
      }
      condition = next.equals("elif") ? expressions.or() : null;
    }
  }

  private Statement loop(int line) {
    List<String> targets = targets();
    tokens.expectName("in");
    Expression items = expressions.or();
    Expression condition = tokens.acceptName("if") ? expressions.expression() : null;
    endTag();
    loops++;
    List<Statement> body = until(Set.of("else", "endfor"));
    loops--;
    List<Statement> otherwise = List.of();
    if (tokens.acceptName("else")) {
      endTag();
      otherwise = until(Set.of("endfor"));
    }
    tokens.expectName("endfor");
    endTag();
    return new Statement.For(line, targets, items, condition, body, otherwise);
  }

  private List<String> targets() {
    boolean bracket = tokens.acceptOperator("(");
    List<String> targets = new ArrayList<>();
    do {
      targets.add(variable());
    } while (tokens.acceptOperator(","));
    if (bracket) {
      tokens.expectOperator(")");
    }
    return targets;
  }

  private String variable() {
    return tokens.expect(Kind.NAME, "the name of a variable").text();
  }

  private Statement assignment(int line) {
    String name = variable();
    if (tokens.acceptOperator(".")) {
      String attribute = variable();
      tokens.expectOperator("=");
      Statement set = new Statement.SetAttribute(line, name, attribute, expressions.expression());
      endTag();
      return set;
    }
    if (tokens.acceptOperator("=")) {
      Statement set = new Statement.SetName(line, name, expressions.expression());
      endTag();
      return set;
    }
    return new Statement.SetBlock(line, name, captured("endset"));
  }

  /** A body whose text is a value, outside of any loop around it. */
  private List<Statement> captured(String end) {
    int outerLoops = loops;
    boolean outer = inCapture;
    loops = 0;
    inCapture = true;
    List<Statement> body = body(end);
    loops = outerLoops;
    inCapture = outer;
    return body;
  }

  private Statement macro(int line) {
    String name = variable();
    List<String> parameters = new ArrayList<>();
    List<Expression> defaults = new ArrayList<>();
    tokens.expectOperator("(");
    while (!tokens.acceptOperator(")")) {
      parameters.add(variable());
      defaults.add(tokens.acceptOperator("=") ? expressions.expression() : null);
      if (!tokens.isOperator(")")) {
        tokens.expectOperator(",");
      }
    }
    return new Statement.Macro(line, name, parameters, defaults, captured("endmacro"));
  }

  private Statement generation(int line) {
    if (inGeneration || inCapture) {
      throw TemplateFault.at(line, "generation within generation, set or macro");
    }
    int outerLoops = loops;
    loops = 0;
    inGeneration = true;
    marksGenerated = true;
    List<Statement> body = body("endgeneration");
    inGeneration = false;
    loops = outerLoops;
    return new Statement.Generation(line, body);
  }

  private Statement jump(int line, String name) {
    if (loops == 0) {
      throw TemplateFault.at(line, name + " outside of a loop");
    }
    endTag();
    return new Statement.Jump(line, name.equals("break"));
  }
}
