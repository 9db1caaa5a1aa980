package io.fisherstreams.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.Annotated;
import com.fasterxml.jackson.databind.introspect.JacksonAnnotationIntrospector;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Namespace;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.StatefulSet;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fisherstreams.cli.Main;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.deploy.DeployCommands.Service;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

class DeployTest {
  private static final ObjectMapper YAML = new ObjectMapper(new YAMLFactory());
  private static final Map<String, Class<? extends HasMetadata>> KINDS =
      Map.of(
          "v1 Namespace", Namespace.class,
          "v1 ConfigMap", ConfigMap.class,
          "v1 PersistentVolumeClaim", PersistentVolumeClaim.class,
          "v1 Service", io.fabric8.kubernetes.api.model.Service.class,
          "apps/v1 StatefulSet", StatefulSet.class,
          "apps/v1 Deployment", Deployment.class,
          "batch/v1 Job", Job.class);

  private static final Pattern JAR_NAME = Pattern.compile("<finalName>([^<]+)</finalName>");

  /** Fabric8's model keeps keys that Kubernetes does not know; here they are errors. */
  private static final ObjectMapper STRICT =
      new ObjectMapper()
          .configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, true)
          .setAnnotationIntrospector(
              new JacksonAnnotationIntrospector() {
                private static final long serialVersionUID = 1L;

                @Override
                public Boolean hasAnySetter(Annotated annotated) {
                  return false;
                }
              });

  @TempDir Path directory;

  static List<Service> services() throws Exception {
    return DeployCommands.all();
  }

  @Test
  void composeFileFollowsTheComposeSpecification() throws Exception {
    JsonSchema schema =
        JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V201909)
            .getSchema(
                // It names itself with draft 4's "id", which its own draft does not know.
                Files.readString(Path.of("src/test/resources/compose-spec/compose-spec.json"))
                    .replaceAll("\"id\": \"[^\"]*\",", ""));
    JsonNode compose = YAML.readTree(DeployCommands.COMPOSE.toFile());
    assertThat(schema.validate(compose)).isEmpty();
    // The check can fail.
    JsonNode misspelt =
        YAML.readTree(Files.readString(DeployCommands.COMPOSE).replace("depends_on", "dependson"));
    assertThat(schema.validate(misspelt)).isNotEmpty();
  }

  @Test
  void composeServicesDependOnServicesAndUseVolumesThatExist() throws Exception {
    JsonNode compose = YAML.readTree(DeployCommands.COMPOSE.toFile());
    for (JsonNode service : compose.get("services")) {
      service
          .path("depends_on")
          .fieldNames()
          .forEachRemaining(
              name -> {
                assertThat(compose.get("services").has(name)).as(name).isTrue();
                if (service
                    .at("/depends_on/" + name + "/condition")
                    .asText()
                    .equals("service_healthy")) {
                  assertThat(compose.get("services").get(name).has("healthcheck")).isTrue();
                }
              });
      for (JsonNode volume : service.path("volumes")) {
        String source = volume.asText().split(":")[0];
        assertThat(source.startsWith("./") || compose.get("volumes").has(source))
            .as(volume.asText())
            .isTrue();
      }
    }
    assertThat(compose.at("/services/topics/build/dockerfile").asText())
        .isEqualTo("deploy/Dockerfile");
  }

  @Test
  void kubernetesManifestsHoldNothingThatTheirKindsDoNotKnow() throws Exception {
    List<String> kinds = new ArrayList<>();
    for (Map.Entry<Path, JsonNode> manifest : DeployCommands.manifests()) {
      HasMetadata read = read(manifest.getValue());
      kinds.add(read.getKind());
      assertThat(read.getMetadata().getName()).isNotBlank();
      assertThat(read instanceof Namespace ? "fisher-streams" : read.getMetadata().getNamespace())
          .isEqualTo("fisher-streams");
    }
    assertThat(kinds)
        .containsExactlyInAnyOrder(
            "ConfigMap",
            "PersistentVolumeClaim",
            "Deployment",
            "Deployment",
            "Deployment",
            "StatefulSet",
            "StatefulSet",
            "Service",
            "Service",
            "Namespace",
            "Job");
    // The check can fail.
    assertThatThrownBy(
            () ->
                read(YAML.readTree("{apiVersion: apps/v1, kind: Deployment, spec: {replicaz: 1}}")))
        .hasMessageContaining("replicaz");
  }

  @Test
  void kubernetesPodsMountVolumesThatExistAndMatchTheirSelectors() throws Exception {
    Set<String> claims = new TreeSet<>();
    for (Map.Entry<Path, JsonNode> manifest : DeployCommands.manifests()) {
      if (read(manifest.getValue()) instanceof PersistentVolumeClaim claim) {
        claims.add(claim.getMetadata().getName());
      }
    }
    for (Map.Entry<Path, JsonNode> manifest : DeployCommands.manifests()) {
      HasMetadata read = read(manifest.getValue());
      if (read instanceof StatefulSet set) {
        checkPod(set.getSpec().getTemplate(), set.getSpec().getVolumeClaimTemplates());
        assertThat(set.getSpec().getTemplate().getMetadata().getLabels())
            .containsAllEntriesOf(set.getSpec().getSelector().getMatchLabels());
        assertThat(set.getSpec().getServiceName()).isEqualTo(read.getMetadata().getName());
      } else if (read instanceof Deployment deployment) {
        checkPod(deployment.getSpec().getTemplate(), List.of());
        assertThat(deployment.getSpec().getTemplate().getSpec().getVolumes())
            .extracting(Volume::getPersistentVolumeClaim)
            .filteredOn(Objects::nonNull)
            .allMatch(mounted -> claims.contains(mounted.getClaimName()));
        assertThat(deployment.getSpec().getTemplate().getMetadata().getLabels())
            .containsAllEntriesOf(deployment.getSpec().getSelector().getMatchLabels());
      } else if (read instanceof Job job) {
        checkPod(job.getSpec().getTemplate(), List.of());
        assertThat(job.getSpec().getTemplate().getSpec().getRestartPolicy())
            .isIn("OnFailure", "Never");
      }
    }
  }

  @Test
  void kustomizationListsEveryFile() throws Exception {
    JsonNode kustomization =
        YAML.readTree(DeployCommands.KUBERNETES.resolve("kustomization.yaml").toFile());
    TreeSet<String> listed = new TreeSet<>();
    kustomization.get("resources").forEach(resource -> listed.add(resource.asText()));
    listed.add("kustomization.yaml");
    try (var files = Files.list(DeployCommands.KUBERNETES)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrderElementsOf(listed);
    }
  }

  @Test
  void imageIsBuiltFromFilesThatExist() throws Exception {
    List<String> stages = new ArrayList<>();
    String ignored = Files.readString(Path.of(".dockerignore"));
    for (String line : instructions()) {
      String[] words = line.split("\\s+");
      if (words[0].equals("FROM") && words.length == 4) {
        stages.add(words[3]);
      }
      if (words[0].equals("COPY")) {
        if (words[1].startsWith("--from=")) {
          assertThat(stages).contains(words[1].substring("--from=".length()));
        } else {
          for (String source : List.of(words).subList(1, words.length - 1)) {
            assertThat(Path.of(source)).exists();
            assertThat(ignored).contains("!" + source.replaceAll("^(bin)/.*", "$1") + "\n");
          }
        }
      }
      if (words[0].equals("ENTRYPOINT")) {
        assertThat(line).isEqualTo("ENTRYPOINT [\"/opt/fisher-streams/bin/fisher-streams\"]");
        assertThat(Path.of("bin/fisher-streams")).isExecutable();
      }
    }
    assertThat(instructions().stream().map(line -> line.split("\\s+")[0]).distinct())
        .isSubsetOf(
            "FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "ENTRYPOINT", "CMD", "EXPOSE");
    Matcher jar = JAR_NAME.matcher(Files.readString(Path.of("pom.xml")));
    assertThat(jar.find()).isTrue();
    assertThat(String.join("\n", instructions()))
        .contains("/target/" + jar.group(1) + ".jar /opt/fisher-streams/target/");
    assertThat(Files.readString(Path.of("bin/fisher-streams")))
        .contains("/target/" + jar.group(1) + ".jar\n");
  }

  @ParameterizedTest
  @MethodSource("services")
  void everyServiceRunsACommandThatExistsWithAConfigurationThatIsValid(Service service)
      throws Exception {
    Path config = Files.writeString(directory.resolve("config.yaml"), service.config());
    List<String> arguments = service.argumentsWith(config);
    assertThat(arguments).contains(config.toString());

    CommandLine.ParseResult parsed =
        new CommandLine(new Main())
            .setCaseInsensitiveEnumValuesAllowed(true)
            .parseArgs(arguments.toArray(new String[0]));
    assertThat(parsed.hasSubcommand()).isTrue();
    ServiceConfig read = ServiceConfig.read(config);
    assertThat(read.bootstrapServers()).isNotBlank();
    assertThat(read.schemaRegistry()).startsWith("http");
    assertThat(read.stateDirectory()).isEqualTo(Path.of("/var/lib/fisher-streams"));
    assertThat(read.gate()).isPresent();
    assertThat(read.webhooks()).hasSize(1);
  }

  @Test
  void composeStartsWithoutAGateAndWithoutWebhooks() throws Exception {
    JsonNode services = YAML.readTree(DeployCommands.COMPOSE.toFile()).get("services");
    List<String> optional = new ArrayList<>();
    services
        .properties()
        .forEach(
            service -> {
              if (service.getValue().has("profiles")) {
                optional.add(service.getKey());
              }
              service
                  .getValue()
                  .path("depends_on")
                  .fieldNames()
                  .forEachRemaining(
                      name -> assertThat(services.get(name).has("profiles")).as(name).isFalse());
            });
    assertThat(optional).containsExactlyInAnyOrder("gate", "webhooks");
  }

  @Test
  void everyStageIsDeployedBothWays() throws Exception {
    for (String source :
        List.of(
            "docker-compose.yml",
            "merge.yaml",
            "coordinator.yaml",
            "gradient.yaml",
            "gate.yaml",
            "webhooks.yaml")) {
      assertThat(DeployCommands.all()).anyMatch(s -> s.file().endsWith(source));
    }
    assertThat(DeployCommands.all().stream().map(Service::name))
        .containsExactlyInAnyOrder(
            "topics",
            "merge",
            "coordinator",
            "gradient",
            "gate",
            "webhooks",
            "coordinator",
            "gate",
            "gradient",
            "merge",
            "webhooks",
            "topics-create");
  }

  private static HasMetadata read(JsonNode manifest) throws Exception {
    String kind = manifest.get("apiVersion").asText() + " " + manifest.get("kind").asText();
    assertThat(KINDS).containsKey(kind);
    return STRICT.treeToValue(manifest, KINDS.get(kind));
  }

  private static void checkPod(PodTemplateSpec pod, List<PersistentVolumeClaim> claims) {
    List<String> volumes = new ArrayList<>();
    pod.getSpec().getVolumes().stream().map(Volume::getName).forEach(volumes::add);
    claims.forEach(claim -> volumes.add(claim.getMetadata().getName()));
    for (Container container : pod.getSpec().getContainers()) {
      assertThat(container.getImage()).isEqualTo(DeployCommands.IMAGE);
      // Without it, Kubernetes pulls an image without a version at every start.
      assertThat(container.getImagePullPolicy()).isEqualTo("IfNotPresent");
      assertThat(container.getVolumeMounts().stream().map(VolumeMount::getName))
          .containsExactlyInAnyOrderElementsOf(volumes);
      assertThat(container.getResources().getLimits()).containsKey("memory");
    }
  }

  /** The Dockerfile's instructions, comments dropped and continued lines joined. */
  private static List<String> instructions() throws Exception {
    return Files.readString(Path.of("deploy/Dockerfile"))
        .replace("\\\n", " ")
        .lines()
        .map(String::strip)
        .filter(line -> !line.isEmpty() && !line.startsWith("#"))
        .toList();
  }
}
