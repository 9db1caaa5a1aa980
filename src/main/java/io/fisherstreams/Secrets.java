package io.fisherstreams;

import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Comparator;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The one place that keeps secrets out of messages and logs. It masks the user and password of any
 * URL, secret parameters of any URL, authorization headers, and every value that was given to
 * {@link #hide}. Thread-safe.
 */
public final class Secrets {
  private static final String MASK = "***";
  private static final String SCHEME = "([A-Za-z][A-Za-z0-9+.-]*://)";
  private static final Pattern URL_USER = Pattern.compile(SCHEME + "[^/\\s]*@");
  // Not valid, but typed: a password with a slash.
  private static final Pattern URL_USER_WITH_SLASH =
      Pattern.compile(SCHEME + "[^/\\s@:]+:(?!\\d+/)[^\\s@]*@");
  private static final Pattern QUERY =
      Pattern.compile(
          "(?i)([?&;][^=&;?\\s]*(?:token|key|secret|pass|pwd|sig|auth|cred|jwt)[^=&;?\\s]*=)[^&;\\s\"']+");
  private static final Pattern HEADER =
      Pattern.compile(
          "(?i)(authorization[\"']?\\s*[:=]\\s*\\[?[\"']?(?:basic|bearer)\\s+)[^\\s\"',\\]]+");
  private static final Pattern KEY =
      Pattern.compile(
          "(?i).*(password|passphrase|secret|token|credential|jaas|user\\.info|userinfo|api[._-]?key|private[._-]?key|keystore\\.key).*");
  private static final Pattern PUBLIC_KEY =
      Pattern.compile("(?i).*\\.(source|class|url|uri|name|type|ms|seconds)");
  private static final Set<String> WORDS = Set.of("true", "false", "null", "none");
  // An option of a JAAS login module; a quoted value may have escaped quotes.
  private static final Pattern ASSIGNMENT =
      Pattern.compile(
          "(?i)(?:pass|secret|token|key|credential)[a-z]*[\"']?\\s*=\\s*(?:\"((?:\\\\.|[^\"\\\\])*)\"|'((?:\\\\.|[^'\\\\])*)'|([^\"';\\s]+))");
  // Shorter values, such as "a", would mask half of every message.
  private static final int SHORTEST = 4;
  private static final int SHORTEST_LINE = 16;
  // Shorter parts of a path are words, such as "releases".
  private static final Pattern TOKEN_IN_PATH =
      Pattern.compile("[^/]{16,}|(?=[^/]*[0-9])(?=[^/]*[A-Za-z])[^/]{8,}");

  // The longest first: a secret may begin with another one.
  private static final SortedMap<String, String> HIDDEN =
      new ConcurrentSkipListMap<>(
          Comparator.comparingInt(String::length)
              .reversed()
              .thenComparing(Comparator.naturalOrder()));

  private Secrets() {}

  /** Masks this value from now on, wherever it occurs, plain or encoded as in a URL. */
  public static void hide(String value) {
    if (value == null || value.length() < SHORTEST || WORDS.contains(value)) {
      return;
    }
    HIDDEN.put(value, MASK);
    HIDDEN.put(URLEncoder.encode(value, StandardCharsets.UTF_8), MASK);
    if (value.indexOf('\n') >= 0) { // a key in PEM
      value
          .lines()
          .map(String::trim)
          .filter(line -> line.length() >= SHORTEST_LINE && !line.startsWith("-----"))
          .forEach(line -> HIDDEN.put(line, MASK));
    }
  }

  /** Hides a password, alone and as a header has it. */
  private static void hideUser(String userAndPassword) {
    hide(userAndPassword);
    hide(userAndPassword.substring(userAndPassword.indexOf(':') + 1));
    hide(
        Base64.getEncoder()
            .encodeToString(userAndPassword.getBytes(StandardCharsets.UTF_8))
            .replaceAll("=+$", ""));
  }

  /** Hides a setting's value if its name says that it is a secret. */
  public static void hideIfSecret(String name, String value) {
    if (!KEY.matcher(name).matches() || PUBLIC_KEY.matcher(name).matches()) {
      return;
    }
    hide(value);
    if (name.endsWith("info")) { // user:password
      hideUser(value);
    }
    Matcher assignments = ASSIGNMENT.matcher(value); // the line of a JAAS login module
    while (assignments.find()) {
      for (int form = 1; form <= assignments.groupCount(); form++) {
        if (assignments.group(form) != null) {
          hide(assignments.group(form));
          hide(assignments.group(form).replaceAll("\\\\(.)", "$1"));
        }
      }
    }
  }

  /**
   * Hides the user of a URL, as in {@code http://user:password@host}. A URL without one hides
   * nothing.
   */
  public static void hideUserOf(URI url) {
    if (url.getUserInfo() != null) {
      hideUser(url.getUserInfo());
      hideUser(url.getRawUserInfo());
    }
  }

  /**
   * Hides what follows the host of a URL whose path or query lets its holder in, as the URL of a
   * chat's webhook.
   */
  public static void hideAddress(URI url) {
    String rest =
        (url.getRawPath() == null ? "" : url.getRawPath())
            + (url.getRawQuery() == null ? "" : "?" + url.getRawQuery());
    if (rest.length() > 1) {
      HIDDEN.put(url.getRawAuthority() + rest, url.getRawAuthority() + "/" + MASK);
    }
    Matcher tokens = TOKEN_IN_PATH.matcher(String.valueOf(url.getRawPath()));
    while (tokens.find()) {
      hide(tokens.group());
    }
    if (url.getRawQuery() != null) {
      for (String parameter : url.getRawQuery().split("&")) {
        hide(parameter.substring(parameter.indexOf('=') + 1));
      }
    }
  }

  /** A URL without its user and password. */
  public static String withoutUser(String url) {
    return URL_USER.matcher(url).replaceAll("$1");
  }

  /** A text without secrets. */
  public static String mask(String text) {
    if (text == null) {
      return null;
    }
    String masked = text;
    for (Map.Entry<String, String> secret : HIDDEN.entrySet()) {
      masked = masked.replace(secret.getKey(), secret.getValue());
    }
    if (masked.indexOf('@') >= 0) {
      masked = URL_USER.matcher(masked).replaceAll("$1" + MASK + "@");
      masked = URL_USER_WITH_SLASH.matcher(masked).replaceAll("$1" + MASK + "@");
    }
    if (masked.indexOf('=') >= 0) {
      masked = QUERY.matcher(masked).replaceAll("$1" + MASK);
    }
    return HEADER.matcher(masked).replaceAll("$1" + MASK);
  }
}
