package io.fisherstreams.demo;

import io.pebbletemplates.pebble.PebbleEngine;
import io.pebbletemplates.pebble.loader.ClasspathLoader;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.Locale;
import java.util.Map;

/**
 * The report's page, resource {@code demo/report.html}. The engine escapes every value that the
 * template does not mark as raw, and rejects a name that the model does not have.
 */
final class ReportTemplate {
  private ReportTemplate() {}

  /** The page with these values. */
  static String fill(Map<String, Object> model) {
    ClasspathLoader loader = new ClasspathLoader(ReportTemplate.class.getClassLoader());
    loader.setPrefix("demo");
    PebbleEngine engine =
        new PebbleEngine.Builder()
            .loader(loader)
            .autoEscaping(true)
            .strictVariables(true)
            .defaultLocale(Locale.ROOT)
            .build();
    StringWriter page = new StringWriter();
    try {
      engine.getTemplate("report.html").evaluate(page, model);
    } catch (IOException e) {
      throw new UncheckedIOException("resource demo/report.html", e);
    }
    return page.toString();
  }
}
