package io.fisherstreams.api;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import io.fisherstreams.monitor.SlowClients;
import io.fisherstreams.view.MaskedJson;
import java.io.IOException;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** A request with its parameters, and its answer. */
final class Request {
  /** The largest body that is read. */
  static final int MAX_BODY_BYTES = 64 << 10;

  private static final ObjectMapper JSON =
      new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private final HttpExchange exchange;
  private final Map<String, String> parameters;
  private final SlowClients slow;

  Request(HttpExchange exchange, Map<String, String> parameters, SlowClients slow) {
    this.exchange = exchange;
    this.parameters = parameters;
    this.slow = slow;
  }

  /** A parameter of the path. */
  String parameter(String name) {
    return parameters.get(name);
  }

  /** A header's value; empty when there is none. */
  Optional<String> header(String name) {
    return Optional.ofNullable(exchange.getRequestHeaders().getFirst(name));
  }

  /** Whether status and headers are sent. */
  boolean hasBegun() {
    return exchange.getResponseCode() != -1;
  }

  boolean isHead() {
    return exchange.getRequestMethod().equals("HEAD");
  }

  /** A whole number of the query, at least 1. */
  long number(String name, long otherwise, long max) {
    String query = exchange.getRequestURI().getRawQuery();
    if (query == null) {
      return otherwise;
    }
    for (String pair : query.split("&")) {
      if (pair.startsWith(name + "=")) {
        String text = Route.decoded(pair.substring(name.length() + 1));
        long value = text.matches("[0-9]{1,18}") ? Long.parseLong(text) : 0;
        if (value < 1 || value > max) {
          throw new Problem(
              400,
              String.format(
                  Locale.ROOT,
                  "%s is '%s', expected a whole number from 1%s",
                  name,
                  text,
                  max == Long.MAX_VALUE ? " on" : " to " + max));
        }
        return value;
      }
    }
    return otherwise;
  }

  /** The JSON object in the body, which has no other keys than these. */
  JsonNode body(Set<String> keys) throws IOException {
    String type = header("Content-Type").orElse("none");
    if (!type.toLowerCase(Locale.ROOT).split(";", 2)[0].strip().equals("application/json")) {
      throw new Problem(415, "the body's type is " + type + ", expected application/json");
    }
    byte[] bytes = exchange.getRequestBody().readNBytes(MAX_BODY_BYTES + 1);
    if (bytes.length > MAX_BODY_BYTES) {
      throw new Problem(
          413,
          String.format(
              Locale.ROOT, "the body has more than %d bytes, the largest allowed", MAX_BODY_BYTES));
    }
    JsonNode body;
    try {
      body = JSON.readTree(bytes);
    } catch (JsonProcessingException e) {
      throw new Problem(400, "the body is not JSON: " + e.getOriginalMessage());
    }
    if (body == null || !body.isObject()) {
      throw new Problem(400, "the body is not a JSON object");
    }
    body.fieldNames()
        .forEachRemaining(
            key -> {
              if (!keys.contains(key)) {
                throw new Problem(400, "unknown key " + key + "; known are " + new TreeSet<>(keys));
              }
            });
    return body;
  }

  /** Sets a header of the answer. */
  void set(String name, String value) {
    exchange.getResponseHeaders().set(name, value);
  }

  /** Answers with a JSON object. */
  void json(int status, MaskedJson.Fields fields) throws IOException {
    bytes(status, "application/json", MaskedJson.object(fields));
  }

  /** Answers with bytes. */
  void bytes(int status, String type, byte[] bytes) throws IOException {
    set("Content-Type", type);
    begin(status, bytes.length);
    write(bytes, bytes.length);
  }

  /** Sends status and headers; the body has so many bytes, or any number when that is negative. */
  void begin(int status, long bytes) throws IOException {
    if (isHead() || bytes == 0) {
      if (bytes > 0) {
        set("Content-Length", Long.toString(bytes));
      }
      exchange.sendResponseHeaders(status, -1);
    } else {
      exchange.sendResponseHeaders(status, Math.max(0, bytes));
    }
  }

  /** Sends a part of the body; fails when the client takes too long for it. */
  void write(byte[] bytes, int length) throws IOException {
    if (isHead() || length == 0) {
      return;
    }
    slow.limit(
        () -> {
          exchange.getResponseBody().write(bytes, 0, length);
          exchange.getResponseBody().flush();
        });
  }
}
