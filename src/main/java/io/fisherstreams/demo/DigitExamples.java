package io.fisherstreams.demo;

import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.tensor.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * Images as a {@link DigitNetwork}'s labelled examples: {@code pixel_values}, float32 [28, 28] from
 * 0 to 1.
 *
 * @param origin what the images are, for messages
 * @param images the images
 */
record DigitExamples(String origin, DigitImages images) implements ExampleSource {
  private static final List<Long> SHAPE = List.of((long) DigitImages.SIDE, (long) DigitImages.SIDE);

  @Override
  public long count() {
    return images.count();
  }

  @Override
  public List<Example> read(long first, int examples) {
    return LongStream.range(first, first + examples)
        .mapToObj(index -> example(Math.toIntExact(index)))
        .toList();
  }

  private Example example(int index) {
    ByteBuffer bytes =
        ByteBuffer.allocate(DigitImages.PIXELS * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int pixel = 0; pixel < DigitImages.PIXELS; pixel++) {
      bytes.putFloat(images.value(index, pixel));
    }
    return new Example(
        origin,
        index,
        images.labels()[index],
        Map.of("pixel_values", new InputTensor(DType.F32, SHAPE, bytes.flip())));
  }

  @Override
  public List<Path> files() {
    return List.of();
  }

  @Override
  public void close() {
    // Nothing is open.
  }
}
