package io.fisherstreams.record.serde;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.avro.Schema;
import org.apache.kafka.common.errors.SerializationException;

/**
 * Rejects schemas with which a short value takes endless time, memory or stack to decode. Anyone
 * who may write to the registry can register one under our names, with a field that we skip.
 */
final class WriterSchema {
  /** Characters of the schema as JSON. */
  static final int MAX_LENGTH = 200_000;

  /** Types inside each other. */
  static final int MAX_DEPTH = 32;

  /** Types in a value without the further items of arrays and maps. */
  static final int MAX_TYPES = 1_000;

  /**
   * What a type's values are like.
   *
   * @param depth types inside each other
   * @param types types that a value has at most, each array and map with one item
   * @param minBytes bytes of the shortest value, at most 1
   */
  private record Size(int depth, long types, int minBytes) {}

  private final Map<String, Size> known = new HashMap<>();
  private final Set<String> open = new HashSet<>();

  private WriterSchema() {}

  /** Rejects such a schema with {@link SerializationException}. */
  static void check(Schema schema) {
    new WriterSchema().size(schema, 1);
  }

  private Size size(Schema schema, int level) {
    if (level > MAX_DEPTH) {
      throw tooLarge("nests more than " + MAX_DEPTH + " types");
    }
    Size size =
        switch (schema.getType()) {
          case NULL -> new Size(1, 1, 0);
          case FIXED -> new Size(1, 1, Math.min(1, schema.getFixedSize()));
          case ARRAY -> items(size(schema.getElementType(), level + 1), 0);
          case MAP -> items(size(schema.getValueType(), level + 1), 1);
          case UNION -> union(schema, level);
          case RECORD -> named(schema, level);
          default -> new Size(1, 1, 1);
        };
    if (size.types > MAX_TYPES) {
      throw tooLarge("has more than " + MAX_TYPES + " types");
    }
    if (level + size.depth - 1 > MAX_DEPTH) {
      throw tooLarge("nests more than " + MAX_DEPTH + " types");
    }
    return size;
  }

  private static Size items(Size item, int keyBytes) {
    if (item.minBytes + keyBytes == 0) {
      throw tooLarge("has an array whose items take no bytes");
    }
    return new Size(item.depth + 1, item.types + 1, 1);
  }

  private Size union(Schema schema, int level) {
    int depth = 1;
    long types = 1;
    for (Schema branch : schema.getTypes()) {
      Size size = size(branch, level + 1);
      depth = Math.max(depth, size.depth + 1);
      types += size.types;
    }
    return new Size(depth, types, 1);
  }

  private Size named(Schema schema, int level) {
    String name = schema.getFullName();
    Size before = known.get(name);
    if (before != null) {
      return before;
    }
    if (!open.add(name)) {
      throw tooLarge("has the type " + name + " inside itself");
    }
    int depth = 1;
    long types = 1;
    int minBytes = 0;
    for (Schema.Field field : schema.getFields()) {
      Size size = size(field.schema(), level + 1);
      depth = Math.max(depth, size.depth + 1);
      types += size.types;
      minBytes = Math.max(minBytes, size.minBytes);
    }
    open.remove(name);
    Size size = new Size(depth, types, minBytes);
    known.put(name, size);
    return size;
  }

  private static SerializationException tooLarge(String what) {
    return new SerializationException("its schema " + what + ", which is not supported");
  }
}
