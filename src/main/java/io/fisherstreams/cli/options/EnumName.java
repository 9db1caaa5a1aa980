package io.fisherstreams.cli.options;

import io.fisherstreams.kernel.KernelName;
import io.fisherstreams.search.Measure;
import io.fisherstreams.tuning.Searched;
import io.fisherstreams.tuning.TuningOptions.Strategy;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A constant of an enum by its name in lower case; anything else is a usage error. */
public abstract class EnumName<E extends Enum<E>> implements ITypeConverter<E> {
  private final Class<E> type;
  private final char separator;

  private EnumName(Class<E> type, char separator) {
    this.type = type;
    this.separator = separator;
  }

  @Override
  public E convert(String text) {
    return Arrays.stream(type.getEnumConstants())
        .filter(constant -> name(constant).equals(text))
        .findFirst()
        .orElseThrow(
            () ->
                new TypeConversionException(
                    "expected one of %s, found '%s'"
                        .formatted(
                            Arrays.stream(type.getEnumConstants())
                                .map(this::name)
                                .collect(Collectors.joining(", ")),
                            text)));
  }

  private String name(E constant) {
    return constant.name().toLowerCase(Locale.ROOT).replace('_', separator);
  }

  /** For picocli. */
  public static final class OfKernel extends EnumName<KernelName> {
    OfKernel() {
      super(KernelName.class, '-');
    }
  }

  /** For picocli. */
  static final class OfMeasure extends EnumName<Measure> {
    OfMeasure() {
      super(Measure.class, '-');
    }
  }

  /** For picocli. */
  static final class OfStrategy extends EnumName<Strategy> {
    OfStrategy() {
      super(Strategy.class, '-');
    }
  }

  /** For picocli; as files spell the keys. */
  static final class OfSearched extends EnumName<Searched> {
    OfSearched() {
      super(Searched.class, '_');
    }
  }
}
