package io.fisherstreams.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The command lines of our services in the deployment files, so that tests can run them. */
public final class DeployCommands {
  static final Path COMPOSE = Path.of("docker-compose.yml");
  static final Path HOST = Path.of("deploy", "host.yaml");
  static final Path KUBERNETES = Path.of("deploy", "kubernetes");
  static final String IMAGE = "fisher-streams";

  private static final ObjectMapper YAML = Manifests.YAML;
  private static final String CONFIG = "config.yaml";

  /**
   * One service that runs our image.
   *
   * @param file where it is declared
   * @param arguments of {@code bin/fisher-streams}, the image's entry point
   * @param configFile the configuration's path inside the container
   * @param config the configuration that is mounted there
   * @param files further files beside the configuration, by name
   * @param user the broker's user whose password is mounted; empty for none
   */
  public record Service(
      Path file,
      String name,
      List<String> arguments,
      String configFile,
      String config,
      Map<String, String> files,
      String user) {
    /** Without a password. */
    Service(Path file, String name, List<String> arguments, String configFile, String config) {
      this(file, name, arguments, configFile, config, Map.of(), "");
    }

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
    Map<String, String> files = new TreeMap<>(configMap());
    String config = files.remove(CONFIG);
    for (Map.Entry<Path, JsonNode> entry : manifests()) {
      JsonNode pod = entry.getValue().at("/spec/template/spec");
      String user = "";
      for (JsonNode volume : pod.path("volumes")) {
        if (volume.get("name").asText().equals("user")) {
          user = volume.at("/secret/secretName").asText();
        }
      }
      for (JsonNode container : pod.path("containers")) {
        for (JsonNode mount : container.get("volumeMounts")) {
          if (mount.get("name").asText().equals("config")) {
            services.add(
                new Service(
                    entry.getKey(),
                    container.get("name").asText(),
                    texts(container.get("args")),
                    mount.get("mountPath").asText() + "/" + CONFIG,
                    config,
                    files,
                    user));
          }
        }
      }
    }
    return services;
  }

  /** The files of the ConfigMap that kustomize generates. */
  static Map<String, String> configMap() throws IOException {
    JsonNode generator =
        YAML.readTree(KUBERNETES.resolve("kustomization.yaml").toFile())
            .get("configMapGenerator")
            .get(0);
    Map<String, String> files = new TreeMap<>();
    for (String file : texts(generator.get("files"))) {
      Path path = KUBERNETES.resolve(file);
      files.put(path.getFileName().toString(), Files.readString(path));
    }
    return files;
  }

  /** The number of partitions that deploy/kubernetes gives a pool. */
  static int partitions() throws IOException {
    return YAML.readTree(configMap().get(CONFIG)).get("partitions").asInt();
  }

  /** Every document of deploy/kubernetes with its file, but for kustomize's own. */
  static List<Map.Entry<Path, JsonNode>> manifests() throws IOException {
    List<Map.Entry<Path, JsonNode>> manifests = new ArrayList<>();
    try (Stream<Path> files = Files.list(KUBERNETES)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        Manifests.of(file).forEach(document -> manifests.add(Map.entry(file, document)));
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
