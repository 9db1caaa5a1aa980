package io.fisherstreams.record.serde;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import org.apache.avro.Schema;
import org.apache.avro.message.SchemaStore;

/**
 * The schemas with which earlier releases of the software wrote the values of their stores, so that
 * this one reads them after an upgrade. The resource {@code earlier-state-schemas.jsonl} has one a
 * line; a release adds those that it changes.
 */
final class EarlierSchemas {
  private static final String RESOURCE = "/io/fisherstreams/earlier-state-schemas.jsonl";

  private EarlierSchemas() {}

  /** The schemas of the resource, by their fingerprints. */
  static SchemaStore load() {
    try (InputStream in = EarlierSchemas.class.getResourceAsStream(RESOURCE)) {
      return read(new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8)));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + RESOURCE, e);
    }
  }

  /** The schemas of a text, one a line; empty lines are left out. */
  static SchemaStore read(BufferedReader lines) {
    SchemaStore.Cache schemas = new SchemaStore.Cache();
    lines
        .lines()
        .filter(line -> !line.isBlank())
        .forEach(line -> schemas.addSchema(new Schema.Parser().parse(line)));
    return schemas;
  }
}
