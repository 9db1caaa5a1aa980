package io.fisherstreams;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The one place that keeps secrets out of messages and logs. It masks the user and password of any
 * URL, and every value that was given to {@link #hide}. Thread-safe.
 */
public final class Secrets {
  private static final String MASK = "***";
  private static final Pattern URL_USER = Pattern.compile("([A-Za-z][A-Za-z0-9+.-]*://)[^/@\\s]*@");
  private static final Pattern QUERY =
      Pattern.compile(
          "(?i)([?&](?:[a-z_-]*token|key|api[_-]?key|secret|password|sig|signature)=)[^&\\s]+");
  private static final Pattern KEY =
      Pattern.compile(
          "(?i).*(password|passphrase|secret|token|credential|jaas|user\\.info|userinfo|api[._-]?key|private[._-]?key|keystore\\.key).*");
  private static final Pattern ASSIGNMENT =
      Pattern.compile("(?i)(?:password|secret|token)[a-z]*\\s*=\\s*[\"']?([^\"';\\s]+)");
  // Shorter values, such as "a", would mask half of every message.
  private static final int SHORTEST = 4;

  private static final Set<String> HIDDEN = ConcurrentHashMap.newKeySet();

  private Secrets() {}

  /** Masks this value from now on, wherever it occurs. */
  public static void hide(String value) {
    if (value != null && value.length() >= SHORTEST) {
      HIDDEN.add(value);
    }
  }

  /** Hides a setting's value if its name says that it is a secret. */
  public static void hideIfSecret(String name, String value) {
    if (KEY.matcher(name).matches() && !name.endsWith(".source") && !name.endsWith(".class")) {
      hide(value);
      if (name.endsWith("info")) { // user:password
        hide(value.substring(value.indexOf(':') + 1));
      }
      Matcher assignments = ASSIGNMENT.matcher(value); // the line of a JAAS login module
      while (assignments.find()) {
        hide(assignments.group(1));
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
    if (masked.indexOf('@') >= 0) {
      masked = URL_USER.matcher(masked).replaceAll("$1" + MASK + "@");
    }
    if (masked.indexOf('=') >= 0) {
      masked = QUERY.matcher(masked).replaceAll("$1" + MASK);
    }
    for (String secret : HIDDEN) {
      masked = masked.replace(secret, MASK);
    }
    return masked;
  }
}
