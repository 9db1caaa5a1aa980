package io.fisherstreams.template;

import io.fisherstreams.template.Token.Kind;
import java.util.List;

/** Tokens, read one after another. */
final class TokenStream {
  private final List<Token> tokens;
  private int position;

  TokenStream(List<Token> tokens) {
    this.tokens = tokens;
  }

  /** The next token, which stays. */
  Token peek() {
    return tokens.get(position);
  }

  /** The one after the next. */
  Token second() {
    return tokens.get(Math.min(position + 1, tokens.size() - 1));
  }

  Token next() {
    Token token = peek();
    if (token.kind() != Kind.END) {
      position++;
    }
    return token;
  }

  int line() {
    return peek().line();
  }

  boolean isOperator(String operator) {
    return peek().isOperator(operator);
  }

  boolean acceptOperator(String operator) {
    boolean found = peek().isOperator(operator);
    position += found ? 1 : 0;
    return found;
  }

  boolean acceptName(String name) {
    boolean found = peek().isName(name);
    position += found ? 1 : 0;
    return found;
  }

  void expectOperator(String operator) {
    if (!acceptOperator(operator)) {
      throw unexpected("'" + operator + "'");
    }
  }

  void expectName(String name) {
    if (!acceptName(name)) {
      throw unexpected("'" + name + "'");
    }
  }

  Token expect(Kind kind, String what) {
    if (peek().kind() != kind) {
      throw unexpected(what);
    }
    return next();
  }

  TemplateFault unexpected(String expected) {
    return TemplateFault.at(line(), "expected " + expected + ", found " + peek().shown());
  }
}
