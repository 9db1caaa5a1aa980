package io.fisherstreams.api;

import com.google.common.net.HostAndPort;
import com.google.common.net.InetAddresses;
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * Who may ask. A page of another site cannot use the server through its visitor's browser: it sends
 * its own origin, and after DNS rebinding its own host name.
 */
final class Access {
  private static final int MAX_CLIENTS = 1000;
  private static final double NANOS = 1e9;
  private static final String BEARER = "bearer ";

  /** A client's requests: it may send {@code left} at once. */
  private static final class Budget {
    private double left;
    private long at;
  }

  private final ApiOptions options;
  private final Map<InetAddress, Budget> budgets =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<InetAddress, Budget> eldest) {
          return size() > MAX_CLIENTS;
        }
      };

  Access(ApiOptions options) {
    this.options = options;
  }

  /** Rejects a client that asks too often. */
  void requireRate(HttpExchange exchange) {
    if (!isWithinRate(exchange.getRemoteAddress().getAddress(), System.nanoTime())) {
      exchange.getResponseHeaders().set("Retry-After", "1");
      throw new Problem(
          429,
          String.format(
              Locale.ROOT,
              "more than %d requests a second from this address (api.requests_per_second)",
              options.requestsPerSecond()));
    }
  }

  /** Twice the rate of a second may come at once. */
  boolean isWithinRate(InetAddress client, long now) {
    synchronized (budgets) {
      double most = 2.0 * options.requestsPerSecond();
      Budget budget = budgets.get(client);
      if (budget == null) {
        budget = new Budget();
        budget.left = most;
        budgets.put(client, budget);
      } else {
        budget.left =
            Math.min(most, budget.left + (now - budget.at) / NANOS * options.requestsPerSecond());
      }
      budget.at = now;
      if (budget.left < 1) {
        return false;
      }
      budget.left--;
      return true;
    }
  }

  /** Rejects a foreign host name. */
  void requireHost(HttpExchange exchange) {
    String host = exchange.getRequestHeaders().getFirst("Host");
    if (host == null || !isOwnHost(host)) {
      throw new Problem(
          421,
          "the Host header is '%s', expected an address, localhost or one of api.hosts %s"
              .formatted(host, options.hosts()));
    }
  }

  /** Whether a Host header names this server: DNS rebinding needs a name, so addresses are safe. */
  boolean isOwnHost(String host) {
    String name;
    try {
      name = HostAndPort.fromString(host).getHost();
    } catch (IllegalArgumentException e) {
      return false;
    }
    return InetAddresses.isInetAddress(name)
        || name.equalsIgnoreCase("localhost")
        || options.hosts().stream().anyMatch(name::equalsIgnoreCase);
  }

  /** Rejects a foreign origin, and tells browsers which foreign ones are allowed. */
  void requireOrigin(HttpExchange exchange) {
    String origin = exchange.getRequestHeaders().getFirst("Origin");
    if (origin == null) {
      return;
    }
    Headers answer = exchange.getResponseHeaders();
    answer.set("Vary", "Origin");
    if (options.origins().contains(origin)) {
      answer.set("Access-Control-Allow-Origin", origin);
      answer.set("Access-Control-Expose-Headers", "ETag, Content-Range, Retry-After");
    } else if (!isSame(origin, exchange.getRequestHeaders().getFirst("Host"))) {
      throw new Problem(
          403,
          "a page of another origin, %s, may not use this server (api.origins)".formatted(origin));
    }
  }

  private static boolean isSame(String origin, String host) {
    String lower = origin.toLowerCase(Locale.ROOT);
    return host != null
        && (lower.equals("http://" + host.toLowerCase(Locale.ROOT))
            || lower.equals("https://" + host.toLowerCase(Locale.ROOT)));
  }

  /** Answers a browser that asks what a page of another origin may send. */
  void allow(HttpExchange exchange, Set<String> methods) {
    Headers answer = exchange.getResponseHeaders();
    answer.set("Allow", String.join(", ", new TreeSet<>(methods)));
    if (answer.containsKey("Access-Control-Allow-Origin")) {
      answer.set("Access-Control-Allow-Methods", String.join(", ", new TreeSet<>(methods)));
      answer.set("Access-Control-Allow-Headers", "Authorization, Content-Type, Range, If-Range");
      answer.set("Access-Control-Max-Age", "600");
    }
  }

  /** Rejects a change without the token. */
  void requireToken(HttpExchange exchange) {
    Optional<String> token = options.token();
    if (token.isEmpty()) {
      throw new Problem(
          403, "this server accepts no changes: no token is configured (api.token_file)");
    }
    List<String> given = exchange.getRequestHeaders().getOrDefault("Authorization", List.of());
    boolean isGiven = given.size() == 1 && given.get(0).toLowerCase(Locale.ROOT).startsWith(BEARER);
    byte[] found =
        (isGiven ? given.get(0).substring(BEARER.length()).strip() : "")
            .getBytes(StandardCharsets.UTF_8);
    // takes as long for a wrong token as for the right one
    if (!MessageDigest.isEqual(token.get().getBytes(StandardCharsets.UTF_8), found)) {
      exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer");
      throw new Problem(
          401,
          isGiven
              ? "the token is not the configured one"
              : "a change needs the configured token in the header Authorization, after the word Bearer");
    }
  }
}
