package io.fisherstreams.template;

import java.util.List;
import java.util.Map;

/**
 * A Jinja template, as chat templates of Hugging Face use it: with {@code trim_blocks}, {@code
 * lstrip_blocks}, {@code break} and {@code continue}, the blocks {@code generation}, and the
 * functions {@code raise_exception}, {@code namespace}, {@code dict} and {@code range}. What is not
 * implemented is rejected, when the template is parsed wherever that is possible. There is no way
 * from a template to a Java class or a file, and each rendering has limits.
 */
public final class Template {
  private static final int MAX_CHARACTERS = 1 << 20;

  /** Operations of a rendering. */
  private static final long MAX_STEPS = 2_000_000;

  /** Characters of all texts that a rendering makes, beside {@link #TEXT_FACTOR}. */
  private static final long MAX_TEXT = 1L << 24;

  /** How many times the variables' characters a rendering may make, beside {@link #MAX_TEXT}. */
  private static final long TEXT_FACTOR = 16;

  private final List<Statement> statements;
  private final boolean marksGenerated;

  Template(List<Statement> statements, boolean marksGenerated) {
    this.statements = statements;
    this.marksGenerated = marksGenerated;
  }

  /**
   * Parses a template.
   *
   * @throws TemplateFault when it is no template, or uses something that is not implemented
   */
  public static Template parse(String text) {
    if (text.length() > MAX_CHARACTERS) {
      throw new TemplateFault("the template has more than " + MAX_CHARACTERS + " characters");
    }
    try {
      return StatementParser.parse(text);
    } catch (StackOverflowError e) {
      throw new TemplateFault("the template is nested too deep");
    }
  }

  /**
   * Renders the template.
   *
   * @param variables by name: null, Boolean, Long, Double, String, and lists and maps of them with
   *     texts as keys; not changed
   * @param characters of all texts in the variables
   * @throws TemplateFault when it cannot be applied to them, rejects them, or exceeds a limit
   */
  public Rendered render(Map<String, ?> variables, long characters) {
    Budget budget = new Budget(MAX_STEPS, MAX_TEXT + TEXT_FACTOR * characters);
    return Renderer.render(statements, variables, budget);
  }

  /** Whether the template has a block {@code generation}. */
  public boolean marksGenerated() {
    return marksGenerated;
  }
}
