package io.fisherstreams.record;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Key of a record on {@code examples}.
 *
 * @param version the model version that the example is for
 * @param index number of the example
 */
public record ExampleKey(ModelVersion version, long index) {
  /** {@code model@version#index}. */
  @Override
  public String toString() {
    return version + "#" + index;
  }

  /** Writes a key as UTF-8. */
  public static Serializer<ExampleKey> serializer() {
    return (topic, key) -> key == null ? null : key.toString().getBytes(StandardCharsets.UTF_8);
  }
}
