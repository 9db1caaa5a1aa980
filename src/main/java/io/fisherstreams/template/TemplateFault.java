package io.fisherstreams.template;

import java.util.Locale;

/**
 * A template cannot be applied: it does not parse, asks for something that is not implemented,
 * exceeds its limits, or rejects its variables itself. The message says why, with the line of the
 * template; names and texts in it come from the template, as they are.
 */
public final class TemplateFault extends RuntimeException {
  private static final long serialVersionUID = 1L;

  TemplateFault(String reason) {
    super(reason);
  }

  static TemplateFault at(int line, String reason) {
    return new TemplateFault(String.format(Locale.ROOT, "line %d: %s", line, reason));
  }
}
