package io.fisherstreams.similarity;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.fisherstreams.release.ReleaseJson;
import io.fisherstreams.similarity.Similarity.Part;
import io.fisherstreams.text.TextTable;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/** A similarity as text: tables for people, CSV for spreadsheets, JSON for programs. */
public final class SimilarityText {
  private SimilarityText() {}

  /** Tables: the cosines of the whole models, then each model's share of each layer. */
  public static String tables(Similarity similarity) {
    return String.format(
            Locale.ROOT,
            "cosine between the models' Fishers, over %d merged entries (- where a Fisher is 0 everywhere)%n",
            similarity.whole().entries())
        + cosines(similarity)
        + "%nshare of each layer in %%%n".formatted()
        + shares(similarity);
  }

  private static TextTable cosines(Similarity similarity) {
    List<String> models = similarity.models();
    TextTable table = header(models);
    for (int row = 0; row < models.size(); row++) {
      List<String> cells = new ArrayList<>(List.of(models.get(row)));
      for (OptionalDouble cosine : similarity.whole().cosines().get(row)) {
        cells.add(
            cosine.isPresent() ? String.format(Locale.ROOT, "%.4f", cosine.getAsDouble()) : "-");
      }
      table.row(cells);
    }
    return table;
  }

  private static TextTable shares(Similarity similarity) {
    TextTable table = header(similarity.models());
    for (Part part : similarity.layers()) {
      table.row(shares(part.name(), part));
    }
    return table.row(shares("whole", similarity.whole()));
  }

  private static List<String> shares(String name, Part part) {
    List<String> cells = new ArrayList<>(List.of(name));
    for (double share : part.shares()) {
      cells.add(String.format(Locale.ROOT, "%.2f", 100 * share));
    }
    return cells;
  }

  /** A table with a column a model, and their names as its first row. */
  private static TextTable header(List<String> models) {
    TextTable table = new TextTable().left();
    List<String> cells = new ArrayList<>(List.of(""));
    for (String model : models) {
      table.right();
      cells.add(model);
    }
    return table.row(cells);
  }

  /**
   * Comma-separated values (RFC 4180) with the columns {@code measure,layer,model,other,value}: the
   * {@code cosine} of every two models and the {@code share} of every model, for the whole (layer
   * {@code *}) and for every layer. An undefined cosine has no value.
   */
  public static String csv(Similarity similarity) {
    StringBuilder text = new StringBuilder("measure,layer,model,other,value\r\n");
    csv(text, similarity.models(), similarity.whole());
    similarity.layers().forEach(part -> csv(text, similarity.models(), part));
    return text.toString();
  }

  private static void csv(StringBuilder text, List<String> models, Part part) {
    String layer = quoted(part.name());
    for (int row = 0; row < models.size(); row++) {
      for (int column = 0; column < models.size(); column++) {
        OptionalDouble cosine = part.cosines().get(row).get(column);
        text.append("cosine,").append(layer).append(',').append(models.get(row)).append(',');
        text.append(models.get(column)).append(',');
        text.append(cosine.isPresent() ? Double.toString(cosine.getAsDouble()) : "");
        text.append("\r\n");
      }
    }
    for (int row = 0; row < models.size(); row++) {
      text.append("share,").append(layer).append(',').append(models.get(row)).append(",,");
      text.append(part.shares().get(row)).append("\r\n");
    }
  }

  private static String quoted(String name) {
    return name.matches("[^\",\r\n]*") ? name : '"' + name.replace("\"", "\"\"") + '"';
  }

  /** One JSON object; an undefined cosine is null. */
  public static String json(Similarity similarity) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
      json.useDefaultPrettyPrinter();
      json.writeStartObject();
      json.writeNumberField("release", similarity.plan().getRelease());
      ReleaseJson.writeModels(json, similarity.plan());
      json.writeFieldName("whole");
      write(json, similarity.whole());
      json.writeArrayFieldStart("layers");
      for (Part part : similarity.layers()) {
        write(json, part);
      }
      json.writeEndArray();
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text + "\n";
  }

  private static void write(JsonGenerator json, Part part) throws IOException {
    json.writeStartObject();
    if (!part.name().equals(Similarity.WHOLE)) {
      json.writeStringField("layer", part.name());
    }
    json.writeNumberField("entries", part.entries());
    json.writeArrayFieldStart("cosine");
    for (List<OptionalDouble> row : part.cosines()) {
      json.writeStartArray();
      for (OptionalDouble cosine : row) {
        if (cosine.isPresent()) {
          json.writeNumber(cosine.getAsDouble());
        } else {
          json.writeNull();
        }
      }
      json.writeEndArray();
    }
    json.writeEndArray();
    json.writeArrayFieldStart("share");
    for (double share : part.shares()) {
      json.writeNumber(share);
    }
    json.writeEndArray();
    json.writeEndObject();
  }
}
