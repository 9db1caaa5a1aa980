package io.fisherstreams.local;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;

/**
 * {@code serve.json}: where the pool of a directory can be reached. {@code serve} writes it when
 * the pool is ready and deletes it when the pool stops; other commands read it.
 *
 * @param pool the pool's name
 * @param bootstrapServers {@code host:port} of the embedded broker
 * @param schemaRegistry URL of the embedded registry
 * @param api URL of the API and the page
 * @param pid process that serves the pool
 */
public record ServeFile(
    String pool, String bootstrapServers, URI schemaRegistry, URI api, long pid) {
  /** The file's name in its directory. */
  public static final String NAME = "serve.json";

  // The addresses of the last time, while the pool is stopped.
  private static final String LAST = ".last-serve.json";

  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * Reads a directory's file.
   *
   * @return empty when there is none
   * @throws InvalidInput when it cannot be read
   */
  public static Optional<ServeFile> find(Path directory) {
    return read(directory.resolve(NAME));
  }

  /** The addresses of the last time that a directory was served. */
  static Optional<ServeFile> last(Path directory) {
    return find(directory).or(() -> read(directory.resolve(LAST)));
  }

  private static Optional<ServeFile> read(Path file) {
    try {
      JsonNode json = JSON.readTree(Files.readString(file, StandardCharsets.UTF_8));
      ServeFile read =
          new ServeFile(
              text(json, "pool"),
              text(json, "bootstrap_servers"),
              URI.create(text(json, "schema_registry")),
              URI.create(text(json, "api")),
              json.required("pid").longValue());
      if (read.brokerPort() < 1
          || read.schemaRegistry().getPort() < 1
          || read.api().getPort() < 1) {
        throw new IllegalArgumentException("an address has no port");
      }
      return Optional.of(read);
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (JsonProcessingException | IllegalArgumentException e) {
      throw new InvalidInput(
          file + " is not a file that serve has written; delete it and start serve again", e);
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    }
  }

  private static String text(JsonNode json, String name) {
    String text = json.required(name).textValue();
    if (text == null) {
      throw new IllegalArgumentException(name + " is no text");
    }
    return text;
  }

  /**
   * Whether the process that wrote it still runs. Another process may have got its id, so somebody
   * must listen at the broker's port as well.
   */
  public boolean isServed() {
    return ProcessHandle.of(pid).filter(ProcessHandle::isAlive).isPresent()
        && !EmbeddedBroker.isFree(brokerPort());
  }

  /** The broker's port. */
  public int brokerPort() {
    return Integer.parseInt(bootstrapServers.substring(bootstrapServers.lastIndexOf(':') + 1));
  }

  /** Writes the file, whole or not at all. */
  void write(Path directory) {
    Path file = directory.resolve(NAME);
    Path temporary = directory.resolve("." + NAME + ".tmp");
    try {
      String text =
          JSON.writerWithDefaultPrettyPrinter()
              .writeValueAsString(
                  JSON.createObjectNode()
                      .put("pool", pool)
                      .put("bootstrap_servers", bootstrapServers)
                      .put("schema_registry", schemaRegistry.toString())
                      .put("api", api.toString())
                      .put("pid", pid));
      Files.writeString(temporary, text + "\n", StandardCharsets.UTF_8);
      Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new InvalidInput("cannot write " + file + ": " + InvalidInput.reason(e), e);
    }
  }

  /** Takes this file away if the directory has it; its addresses remain the last ones. */
  void end(Path directory) {
    // The directory may have been deleted, and another process may serve a pool there now.
    if (find(directory).filter(this::equals).isPresent()) {
      retire(directory);
    }
  }

  /** Takes the file of a directory away, when there is one; its addresses remain the last ones. */
  static void retire(Path directory) {
    Path file = directory.resolve(NAME);
    try {
      Files.move(file, directory.resolve(LAST), StandardCopyOption.ATOMIC_MOVE);
    } catch (NoSuchFileException e) {
      return; // not announced
    } catch (IOException e) {
      throw new InvalidInput("cannot move " + file + ": " + InvalidInput.reason(e), e);
    }
  }
}
