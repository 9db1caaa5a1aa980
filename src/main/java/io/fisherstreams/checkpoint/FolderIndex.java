package io.fisherstreams.checkpoint;

import static io.fisherstreams.checkpoint.StrictJson.shown;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The {@code model.safetensors.index.json} of a Hugging Face folder whose tensors lie in several
 * files.
 *
 * @param parts the file, within the folder, that holds each tensor
 */
record FolderIndex(SortedMap<String, Path> parts) {
  static final String NAME = "model.safetensors.index.json";

  /**
   * Reads the index; its parts are looked at by nobody yet.
   *
   * @throws InvalidInput when it is too large, no such JSON, or names a part outside the folder
   */
  static FolderIndex read(Path folder) {
    Path file = folder.resolve(NAME);
    SortedMap<String, Path> parts = new TreeMap<>();
    try (InputStream in = Files.newInputStream(file)) {
      long size = Files.size(file);
      if (size > SafetensorsHeader.MAX_BYTES) {
        throw new InvalidInput(
            "%s has %d bytes, at most %d are allowed"
                .formatted(file, size, SafetensorsHeader.MAX_BYTES));
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
      throw new UncheckedIOException(file + " cannot be read: " + e.getMessage(), e);
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

  /** Parts lie beside their index: a name that leads anywhere else comes from no honest tool. */
  private static Path part(Path file, Path folder, String tensor, String name) {
    if (!isPlainFileName(name)) {
      throw new InvalidInput(
          "%s: the part '%s' of tensor '%s' is no plain file name within the folder"
              .formatted(file, shown(name), shown(tensor)));
    }
    return folder.resolve(name);
  }

  /** Whether a name can only mean a file right within a folder. */
  static boolean isPlainFileName(String name) {
    return !name.isEmpty()
        && !name.equals(".")
        && !name.equals("..")
        && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == 0);
  }
}
