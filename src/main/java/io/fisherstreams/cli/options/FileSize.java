package io.fisherstreams.cli.options;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * A size such as {@code 5GB} (10⁹ bytes each, as Hugging Face counts), {@code 4GiB} (2³⁰ bytes
 * each), {@code 1.5 GB} or {@code 1000}, in bytes; any other text is a usage error of its option.
 */
final class FileSize implements ITypeConverter<Long> {
  private static final Pattern SIZE =
      Pattern.compile("(\\d{1,15}(?:\\.\\d{1,9})?) ?(?:([KMGT])(I)?)?B?");

  @Override
  public Long convert(String size) {
    Matcher matcher = SIZE.matcher(size.trim().toUpperCase(Locale.ROOT));
    if (matcher.matches()) {
      int power = matcher.group(2) == null ? 0 : 1 + "KMGT".indexOf(matcher.group(2));
      BigDecimal unit = BigDecimal.valueOf(matcher.group(3) == null ? 1000 : 1024).pow(power);
      BigDecimal bytes = new BigDecimal(matcher.group(1)).multiply(unit);
      if (bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) > 0) {
        throw new TypeConversionException("'%s' is more than 2^63 bytes".formatted(size));
      }
      if (bytes.signum() > 0 && bytes.stripTrailingZeros().scale() <= 0) {
        return bytes.longValueExact();
      }
    }
    throw new TypeConversionException(
        "'%s' is not a size of at least one byte; write it as 5GB, 200MB, 4GiB or 1000000"
            .formatted(size));
  }
}
