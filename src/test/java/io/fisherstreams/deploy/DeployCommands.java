package io.fisherstreams.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The command lines of our services in the deployment files, so that tests can run them. */
public final class DeployCommands {
  static final Path COMPOSE = Path.of("docker-compose.yml");
  static final Path KUBERNETES = Path.of("deploy", "kubernetes");
  static final String IMAGE = "fisher-streams";

  private static final ObjectMapper YAML = new ObjectMapper(new YAMLFactory());

  /**
   * One service that runs our image.
   *
   * @param file where it is declared
   * @param arguments of {@code bin/fisher-streams}, the image's entry point
   * @param configFile the configuration's path inside the container
   * @param config the configuration that is mounted there
   */
  public record Service(
      Path file, String name, List<String> arguments, String configFile, String config) {
    /** The arguments with the configuration at another path, for a process outside a container. */
    public List<String> argumentsWith(Path configuration) {
      return arguments.stream()
          .map(a -> a.equals(configFile) ? configuration.toString() : a)
          .toList();
    }

    @Override
    public String toString() {
      return file.getFileName() + " " + name;
    }
  }

  private DeployCommands() {}

  /** Every service of docker-compose.yml and deploy/kubernetes that runs our image. */
  public static List<Service> all() throws IOException {
    List<Service> services = new ArrayList<>(compose());
    services.addAll(kubernetes());
    return services;
  }

  private static List<Service> compose() throws IOException {
    JsonNode compose = YAML.readTree(COMPOSE.toFile());
    List<Service> services = new ArrayList<>();
    for (Map.Entry<String, JsonNode> entry : compose.get("services").properties()) {
      JsonNode service = entry.getValue();
      if (service.path("image").asText().equals(IMAGE)) {
        JsonNode mount = service.get("configs").get(0);
        Path source =
            Path.of(compose.get("configs").get(mount.get("source").asText()).get("file").asText());
        services.add(
            new Service(
                COMPOSE,
                entry.getKey(),
                texts(service.get("command")),
                mount.get("target").asText(),
                Files.readString(source)));
      }
    }
    return services;
  }

  private static List<Service> kubernetes() throws IOException {
    List<Service> services = new ArrayList<>();
    JsonNode config = null;
    for (Map.Entry<Path, JsonNode> entry : manifests()) {
      if (entry.getValue().get("kind").asText().equals("ConfigMap")) {
        config = entry.getValue().get("data");
      }
    }
    for (Map.Entry<Path, JsonNode> entry : manifests()) {
      JsonNode containers = entry.getValue().at("/spec/template/spec/containers");
      for (JsonNode container : containers) {
        for (JsonNode mount : container.get("volumeMounts")) {
          if (mount.get("name").asText().equals("config")) {
            String file = config.fieldNames().next();
            services.add(
                new Service(
                    entry.getKey(),
                    container.get("name").asText(),
                    texts(container.get("args")),
                    mount.get("mountPath").asText() + "/" + file,
                    config.get(file).asText()));
          }
        }
      }
    }
    return services;
  }

  /** The number of partitions that deploy/kubernetes gives a pool. */
  static int partitions() throws IOException {
    for (Map.Entry<Path, JsonNode> manifest : manifests()) {
      JsonNode config = manifest.getValue().at("/data/config.yaml");
      if (config.isTextual()) {
        return YAML.readTree(config.asText()).get("partitions").asInt();
      }
    }
    throw new AssertionError("no configuration in " + KUBERNETES);
  }

  /** Every document of deploy/kubernetes with its file, but for kustomize's own. */
  static List<Map.Entry<Path, JsonNode>> manifests() throws IOException {
    List<Map.Entry<Path, JsonNode>> manifests = new ArrayList<>();
    try (Stream<Path> files = Files.list(KUBERNETES)) {
      for (Path file : files.sorted().toList()) {
        try (MappingIterator<JsonNode> documents =
            YAML.readerFor(JsonNode.class).readValues(file.toFile())) {
          while (documents.hasNext()) {
            JsonNode document = documents.next();
            if (!document.get("kind").asText().equals("Kustomization")) {
              manifests.add(Map.entry(file, document));
            }
          }
        }
      }
    }
    return manifests;
  }

  private static List<String> texts(JsonNode list) {
    List<String> texts = new ArrayList<>();
    list.forEach(item -> texts.add(item.textValue()));
    return texts;
  }
}
