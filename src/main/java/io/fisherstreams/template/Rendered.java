package io.fisherstreams.template;

import java.util.List;

/**
 * What a template makes of its variables.
 *
 * @param generated what is between {@code generation} and {@code endgeneration}, in order
 */
public record Rendered(String text, List<Span> generated) {
  /** Copies the list. */
  public Rendered {
    generated = List.copyOf(generated);
  }

  /**
   * A part of the text.
   *
   * @param start of the first character, in UTF-16 code units
   * @param end after the last
   */
  public record Span(int start, int end) {}
}
