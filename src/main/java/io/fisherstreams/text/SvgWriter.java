package io.fisherstreams.text;

import java.io.StringWriter;
import java.util.Locale;
import javax.xml.stream.XMLOutputFactory;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamWriter;

/** Writes one SVG drawing. It escapes all texts and attribute values. */
public final class SvgWriter {
  private static final String NAMESPACE = "http://www.w3.org/2000/svg";

  private final StringWriter text = new StringWriter();
  private final XMLStreamWriter xml;

  private interface Step {
    void run() throws XMLStreamException;
  }

  /**
   * Begins a drawing in a page.
   *
   * @param style its class in the style sheet
   * @param width in the drawing's own units
   * @param height in the drawing's own units
   * @param title for readers who do not see it
   */
  public SvgWriter(String style, double width, double height, String title) {
    this(style, width, height, title, false);
  }

  private SvgWriter(String style, double width, double height, String title, boolean isFile) {
    try {
      xml = XMLOutputFactory.newDefaultFactory().createXMLStreamWriter(text);
    } catch (XMLStreamException e) {
      throw new IllegalStateException(e);
    }
    String viewBox = String.format(Locale.ROOT, "0 0 %.0f %.0f", width, height);
    if (isFile) {
      open("svg", "xmlns", NAMESPACE, "viewBox", viewBox, "role", "img");
    } else {
      open("svg", "class", style, "viewBox", viewBox, "role", "img");
    }
    element("title", title);
  }

  /** Begins a drawing that is a file of its own; a page does not need the namespace. */
  public static SvgWriter file(double width, double height, String title) {
    return new SvgWriter("", width, height, title, true);
  }

  /**
   * Writes an element without content.
   *
   * @param attributes names and values in turn; numbers get one decimal
   */
  public SvgWriter empty(String element, Object... attributes) {
    run(
        () -> {
          xml.writeEmptyElement(element);
          write(attributes);
          xml.writeCharacters("\n");
        });
    return this;
  }

  /** Writes an element that contains a text; attributes as for {@link #empty}. */
  public SvgWriter element(String element, String content, Object... attributes) {
    open(element, attributes);
    run(() -> xml.writeCharacters(content));
    return close();
  }

  /** Begins an element; attributes as for {@link #empty}. */
  public SvgWriter open(String element, Object... attributes) {
    run(
        () -> {
          xml.writeStartElement(element);
          write(attributes);
        });
    return this;
  }

  /** Ends the element that was begun last. */
  public SvgWriter close() {
    run(
        () -> {
          xml.writeEndElement();
          xml.writeCharacters("\n");
        });
    return this;
  }

  /** Ends the drawing and returns it. */
  public String svg() {
    run(
        () -> {
          xml.writeEndElement();
          xml.close();
        });
    return text.toString();
  }

  private void write(Object... attributes) throws XMLStreamException {
    for (int i = 0; i < attributes.length; i += 2) {
      Object value = attributes[i + 1];
      xml.writeAttribute(
          (String) attributes[i],
          value instanceof Number number
              ? String.format(Locale.ROOT, "%.1f", number.doubleValue())
              : (String) value);
    }
  }

  private static void run(Step step) {
    try {
      step.run();
    } catch (XMLStreamException e) {
      throw new IllegalStateException(e);
    }
  }
}
