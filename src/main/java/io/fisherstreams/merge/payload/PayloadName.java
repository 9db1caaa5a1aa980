package io.fisherstreams.merge.payload;

import java.util.Optional;
import java.util.function.IntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which payload file of a model version: its name in the version's folder.
 *
 * @param file the file's name
 */
public record PayloadName(String file) {
  /** The shards of the checkpoint, in the parameters' own types. */
  public static final PayloadName CHECKPOINT = new PayloadName("checkpoint");

  // The names that a record may ask for are made once; epochs and folds beyond them are rare.
  private static final int CACHED = 16;
  private static final PayloadName[] FISHERS = cached("fisher-");
  private static final PayloadName[] OPEN = cached("open-");
  private static final PayloadName[] AGAIN = cached("again-");

  // Every version has these; most have no open batches, or not for long.
  private static final Pattern RECYCLED = Pattern.compile("(checkpoint|fisher)(-\\d+)?");

  private static PayloadName[] cached(String prefix) {
    PayloadName[] names = new PayloadName[CACHED];
    for (int number = 0; number < CACHED; number++) {
      names[number] = new PayloadName(prefix + number);
    }
    return names;
  }

  private static PayloadName of(PayloadName[] cached, int number, IntFunction<PayloadName> other) {
    return number < CACHED ? cached[number] : other.apply(number);
  }

  /** The sealed Fisher of an epoch, float32. */
  public static PayloadName fisher(int epoch) {
    return of(FISHERS, epoch, number -> new PayloadName("fisher-" + number));
  }

  /** The gradient batches at one position of the shards' open epochs, from 0; float32. */
  public static PayloadName open(int position) {
    return of(OPEN, position, number -> new PayloadName("open-" + number));
  }

  /** The gradient batches at one position of a fold that is restored, from 0; float32. */
  public static PayloadName again(int position) {
    return of(AGAIN, position, number -> new PayloadName("again-" + number));
  }

  /**
   * The partial sums of open epochs, pairs of float64, stored block by block. A file with another
   * block size passes its checksum but decodes wrongly, so the size is part of its name.
   *
   * @param blockSize entries of a block
   */
  public static PayloadName partial(int blockSize) {
    return new PayloadName("partial-" + blockSize);
  }

  /** The name under which a file is kept to be overwritten; empty when it is deleted instead. */
  static Optional<String> recycled(String file) {
    Matcher matcher = RECYCLED.matcher(file);
    return matcher.matches() ? Optional.of(matcher.group(1)) : Optional.empty();
  }
}
