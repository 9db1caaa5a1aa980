package io.fisherstreams.fisher;

import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import io.fisherstreams.InvalidInput;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Patterns that are matched at the start of a name, not up to its end, as Python's {@code re.match}
 * does: {@code head} matches {@code head.weight} and not {@code my.head.weight}. They come from
 * manifests, so they run on RE2, whose time is linear in the name: no pattern can overflow the
 * stack or search without end.
 */
public final class NamePatterns {
  // RE2 writes x{n} out n times; nested repetitions multiply.
  private static final int MAX_REPETITIONS = 1_000;
  private static final java.util.regex.Pattern REPETITION =
      java.util.regex.Pattern.compile("\\{(\\d{1,9})(?:,(\\d{0,9}))?}");

  private static final Map<String, String> NEEDS_BACKTRACKING =
      Map.of(
          "(?=", "look-ahead",
          "(?!", "look-ahead",
          "(?<=", "look-behind",
          "(?<!", "look-behind",
          "(?>", "an atomic group",
          "(?P=", "a back-reference");
  private static final java.util.regex.Pattern BACK_REFERENCE =
      java.util.regex.Pattern.compile("\\\\(?:[1-9]|k<).*");

  private final List<Pattern> patterns;

  private NamePatterns(List<Pattern> patterns) {
    this.patterns = patterns;
  }

  /**
   * Compiles exclusion patterns in RE2's syntax.
   *
   * @throws InvalidInput when one cannot be used, with the pattern and the reason
   */
  public static NamePatterns of(List<String> patterns) {
    return of("exclusion pattern", patterns);
  }

  /**
   * Compiles patterns in RE2's syntax.
   *
   * @param what they are called in a message
   * @throws InvalidInput when one cannot be used, with the pattern and the reason
   */
  public static NamePatterns of(String what, List<String> patterns) {
    return new NamePatterns(patterns.stream().map(pattern -> compile(what, pattern)).toList());
  }

  /** Whether a pattern matches at the start of a name. */
  public boolean match(String name) {
    for (Pattern pattern : patterns) {
      if (pattern.matcher(name).lookingAt()) {
        return true;
      }
    }
    return false;
  }

  /**
   * Patterns that match no name from its start, but do occur in one.
   *
   * @return a sentence for each of them
   */
  public List<String> misplaced(Collection<String> names) {
    return patterns.stream()
        .filter(pattern -> names.stream().noneMatch(name -> pattern.matcher(name).lookingAt()))
        .flatMap(
            pattern ->
                names.stream()
                    .filter(name -> pattern.matcher(name).find())
                    .limit(1)
                    .map(
                        name ->
                            ("exclusion pattern '%s' excludes nothing: it occurs in '%s', but a pattern"
                                    + " must match from the start of a name, as '.*%s' does")
                                .formatted(pattern.pattern(), name, pattern.pattern())))
        .toList();
  }

  /**
   * How much work it is at most to match these names, in steps of a few nanoseconds.
   *
   * @param names the names, once each
   */
  public long work(Collection<String> names) {
    long instructions = patterns.stream().mapToLong(Pattern::programSize).sum();
    long characters = names.stream().mapToLong(name -> name.length() + 1L).sum();
    return instructions * characters;
  }

  private static Pattern compile(String what, String pattern) {
    long repetitions = 1;
    java.util.regex.Matcher found = REPETITION.matcher(pattern);
    while (found.find()) {
      String most =
          found.group(2) == null || found.group(2).isEmpty() ? found.group(1) : found.group(2);
      repetitions *= Math.max(1, Long.parseLong(most));
      if (repetitions > MAX_REPETITIONS) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "%s '%s' repeats more than %d times; use * or +",
                what,
                pattern,
                MAX_REPETITIONS));
      }
    }
    try {
      return Pattern.compile(pattern);
    } catch (PatternSyntaxException e) {
      throw new InvalidInput("%s '%s' %s".formatted(what, pattern, fault(pattern, e)), e);
    }
  }

  private static String fault(String pattern, PatternSyntaxException e) {
    String wrong = String.valueOf(e.getPattern());
    if (wrong.startsWith("(?")) {
      for (Map.Entry<String, String> construct : NEEDS_BACKTRACKING.entrySet()) {
        if (wrong.startsWith(construct.getKey())
            || (construct.getKey().startsWith(wrong) && pattern.contains(construct.getKey()))) {
          return unsupported(construct.getValue(), construct.getKey());
        }
      }
    }
    if (BACK_REFERENCE.matcher(wrong).matches()) {
      return unsupported("a back-reference", wrong);
    }
    return "is no regular expression: %s: %s (syntax: https://github.com/google/re2/wiki/Syntax)"
        .formatted(e.getDescription(), wrong);
  }

  private static String unsupported(String what, String construct) {
    return ("has %s (%s), which is not supported, because patterns are matched in linear time; list"
            + " the names instead")
        .formatted(what, construct);
  }
}
