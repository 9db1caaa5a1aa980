package io.fisherstreams.api;

import java.io.IOException;
import java.io.InputStream;
import java.util.Map;

/** The page's files, from the class path. */
final class PageFiles {
  /** Folder of the files on the class path. */
  static final String FOLDER = "/io/fisherstreams/page/";

  /** Allows this server's own files only: no other host, no inline script, no frame. */
  static final String POLICY =
      "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

  private static final Map<String, String> TYPES =
      Map.of(
          "html", "text/html; charset=utf-8",
          "css", "text/css; charset=utf-8",
          "js", "text/javascript; charset=utf-8",
          "json", "application/json",
          "webmanifest", "application/manifest+json",
          "svg", "image/svg+xml",
          "png", "image/png",
          "ico", "image/x-icon",
          "woff2", "font/woff2");

  private PageFiles() {}

  /** Answers with the file of a path; {@code /} is {@code index.html}. */
  static void answer(String path, Request request) throws IOException {
    String name = path.equals("/") ? "index.html" : path.substring(1);
    String type = TYPES.get(name.substring(name.lastIndexOf('.') + 1));
    // Names of the class path: nothing that leads out of the folder.
    if (type == null || !name.matches("[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)*")) {
      throw Problem.notFound("there is no " + path);
    }
    try (InputStream file = PageFiles.class.getResourceAsStream(FOLDER + name)) {
      if (file == null) {
        throw Problem.notFound("there is no " + path);
      }
      request.set("Content-Security-Policy", POLICY);
      request.set("Cache-Control", "no-cache");
      request.bytes(200, type, file.readAllBytes());
    }
  }
}
