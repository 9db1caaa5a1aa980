package io.fisherstreams.cli.options;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.CheckpointWriter;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A size such as 5GB, in bytes; one that cannot be read is wrong usage of its option. */
final class FileSize implements ITypeConverter<Long> {
  @Override
  public Long convert(String size) {
    try {
      return CheckpointWriter.parseSize(size);
    } catch (InvalidInput e) {
      throw new TypeConversionException(e.getMessage());
    }
  }
}
