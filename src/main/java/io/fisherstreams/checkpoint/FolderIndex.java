package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.FileName;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The {@code model.safetensors.index.json} of a Hugging Face folder whose tensors are in several
 * files.
 *
 * @param parts the file, within the folder, that holds each tensor
 */
record FolderIndex(SortedMap<String, Path> parts) {
  private static final JsonFactory JSON = new JsonFactory();

  static final String NAME = "model.safetensors.index.json";

  /**
   * Reads the index. It does not open the parts.
   *
   * @throws InvalidInput when it is too large, is not such JSON, or names a part outside the folder
   */
  static FolderIndex read(Path folder) {
    Path file = folder.resolve(NAME);
    SortedMap<String, Path> parts = new TreeMap<>();
    try (InputStream in = Files.newInputStream(file)) {
      long size = Files.size(file);
      if (size > SafetensorsHeader.MAX_BYTES) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "%s has %d bytes, at most %d are allowed",
                file,
                size,
                SafetensorsHeader.MAX_BYTES));
      }
      StrictJson.readObject(
          file.toString(),
          in,
          parser -> {
            boolean found = false;
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
              String key = parser.currentName();
              parser.nextToken();
              if (key.equals("weight_map")) {
                weightMap(file, folder, parser, parts);
                found = true;
              } else {
                parser.skipChildren();
              }
            }
            if (!found) {
              throw new InvalidInput(file + " has no weight_map");
            }
          });
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    }
    return new FolderIndex(parts);
  }

  private static void weightMap(
      Path file, Path folder, JsonParser parser, SortedMap<String, Path> parts) throws IOException {
    if (parser.currentToken() != JsonToken.START_OBJECT) {
      throw new InvalidInput(
          "%s: weight_map is no map of tensors to files but %s"
              .formatted(file, parser.currentToken()));
    }
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String tensor = parser.currentName();
      if (parser.nextToken() != JsonToken.VALUE_STRING) {
        throw new InvalidInput(
            "%s: the part of tensor '%s' is no file name but %s"
                .formatted(file, shown(tensor), parser.currentToken()));
      }
      parts.put(tensor, part(file, folder, tensor, parser.getText()));
    }
  }

  /** Parts are beside their index. No honest tool writes a name that leads elsewhere. */
  private static Path part(Path file, Path folder, String tensor, String name) {
    if (!FileName.isPlain(name)) {
      throw new InvalidInput(
          "%s: the part '%s' of tensor '%s' is no plain file name within the folder"
              .formatted(file, shown(name), shown(tensor)));
    }
    return folder.resolve(name);
  }

  /** The index's content, which lists each tensor with its file's name. */
  static byte[] json(SortedMap<String, String> fileOfTensor, long bytesOfTensors) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(bytes)) {
      json.setPrettyPrinter(new DefaultPrettyPrinter());
      json.writeStartObject();
      json.writeObjectFieldStart("metadata");
      json.writeNumberField("total_size", bytesOfTensors);
      json.writeEndObject();
      json.writeObjectFieldStart("weight_map");
      for (Map.Entry<String, String> entry : fileOfTensor.entrySet()) {
        json.writeStringField(entry.getKey(), entry.getValue());
      }
      json.writeEndObject();
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e); // writing to memory does not fail
    }
    return bytes.toByteArray();
  }

  /**
   * Rejects parts that have other tensors than the index says.
   *
   * @param indexFile for messages
   * @param parts the open files that it names
   */
  void check(Path indexFile, List<SafetensorsFile> parts) {
    Map<Path, SafetensorsFile> byFile = new HashMap<>();
    parts.forEach(part -> byFile.put(part.path(), part));
    this.parts.forEach(
        (tensor, file) -> {
          if (!byFile.get(file).header().tensors().containsKey(tensor)) {
            throw new InvalidInput(
                "%s says that tensor '%s' is in %s, but it is not"
                    .formatted(indexFile, shown(tensor), file.getFileName()));
          }
        });
    for (SafetensorsFile part : parts) {
      for (String tensor : part.header().tensors().keySet()) {
        Path listed = this.parts.get(tensor);
        if (listed == null) {
          throw new InvalidInput(
              "%s: tensor '%s' is not listed in %s"
                  .formatted(part.path(), shown(tensor), indexFile.getFileName()));
        }
        if (!listed.equals(part.path())) {
          throw new InvalidInput(
              "tensor '%s' is in two parts, %s and %s: only one may have it"
                  .formatted(shown(tensor), listed, part.path()));
        }
      }
    }
  }
}
