package io.fisherstreams.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Namespace;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.ServiceAccount;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.StatefulSet;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.networking.v1.NetworkPolicy;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fisherstreams.cli.Main;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.deploy.DeployCommands.Service;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
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
  private static final ObjectMapper YAML = Manifests.YAML;
  private static final Map<String, Class<? extends HasMetadata>> KINDS =
      Map.of(
          "v1 Namespace", Namespace.class,
          "v1 ServiceAccount", ServiceAccount.class,
          "v1 Secret", Secret.class,
          "v1 PersistentVolumeClaim", PersistentVolumeClaim.class,
          "v1 Service", io.fabric8.kubernetes.api.model.Service.class,
          "apps/v1 StatefulSet", StatefulSet.class,
          "apps/v1 Deployment", Deployment.class,
          "batch/v1 Job", Job.class,
          "networking.k8s.io/v1 NetworkPolicy", NetworkPolicy.class,
          "policy/v1 PodDisruptionBudget", PodDisruptionBudget.class);

  private static final Pattern JAR_NAME = Pattern.compile("<finalName>([^<]+)</finalName>");

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
            "ServiceAccount",
            "NetworkPolicy",
            "NetworkPolicy",
            "PodDisruptionBudget",
            "PodDisruptionBudget",
            "PersistentVolumeClaim",
            "Deployment",
            "Deployment",
            "Deployment",
            "Deployment",
            "StatefulSet",
            "StatefulSet",
            "Service",
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
    assertThat(kustomization.at("/configMapGenerator/0/name").asText()).isEqualTo("fisher-streams");
    assertThat(DeployCommands.configMap()).containsKeys("config.yaml", "client.properties");
    try (var files = Files.list(DeployCommands.KUBERNETES)) {
      assertThat(files.filter(Files::isRegularFile).map(file -> file.getFileName().toString()))
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
            "FROM",
            "WORKDIR",
            "COPY",
            "RUN",
            "ENV",
            "USER",
            "VOLUME",
            "ENTRYPOINT",
            "CMD",
            "EXPOSE");
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
                      name ->
                          assertThat(services.get(name).path("profiles"))
                              .as(name)
                              .isIn(
                                  MissingNode.getInstance(), service.getValue().path("profiles")));
            });
    assertThat(optional).containsExactlyInAnyOrder("gate", "webhooks", "prometheus", "grafana");
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
            "webhooks.yaml",
            "api.yaml")) {
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
            "api",
            "api",
            "coordinator",
            "gate",
            "gradient",
            "merge",
            "webhooks",
            "topics-create");
  }

  @Test
  void podsHaveNoRightsThatTheyDoNotNeedAndRoomOutsideTheHeap() throws Exception {
    int pods = 0;
    for (Map.Entry<Path, JsonNode> manifest : DeployCommands.manifests()) {
      JsonNode pod = manifest.getValue().at("/spec/template/spec");
      if (pod.isMissingNode()) {
        continue;
      }
      pods++;
      assertThat(pod.get("serviceAccountName").asText()).isEqualTo("fisher-streams");
      assertThat(pod.get("automountServiceAccountToken").asBoolean(true)).isFalse();
      assertThat(pod.at("/securityContext/runAsNonRoot").asBoolean()).isTrue();
      assertThat(pod.at("/securityContext/seccompProfile/type").asText())
          .isEqualTo("RuntimeDefault");
      JsonNode container = pod.get("containers").get(0);
      JsonNode security = container.get("securityContext");
      assertThat(security.get("readOnlyRootFilesystem").asBoolean()).isTrue();
      assertThat(security.get("allowPrivilegeEscalation").asBoolean(true)).isFalse();
      assertThat(security.at("/capabilities/drop/0").asText()).isEqualTo("ALL");
      assertThat(container.get("volumeMounts").findValuesAsText("mountPath")).contains("/tmp");
      assertThat(bytes(container.at("/resources/limits/memory").asText()))
          .as("heap, 1 GiB of direct buffers and half a gibibyte for all else")
          .isGreaterThanOrEqualTo(
              bytes(container.at("/env/0/value").asText()) + (1L << 30) + (1L << 29));
    }
    assertThat(pods).isEqualTo(7);
  }

  private static long bytes(String size) {
    String number = size.replaceAll("[A-Za-z]", "");
    String unit = size.substring(number.length()).toLowerCase(Locale.ROOT);
    return Long.parseLong(number) << (unit.startsWith("g") ? 30 : 20);
  }

  @Test
  void eachStageIsAUserOfItsOwnWhoseSecretTheUserOperatorMakes() throws Exception {
    List<String> users =
        Manifests.in(Path.of("deploy", "strimzi"), "KafkaUser").stream()
            .map(user -> user.at("/metadata/name").asText())
            .toList();
    for (Service service : DeployCommands.all()) {
      if (service.file().startsWith(DeployCommands.KUBERNETES)) {
        assertThat(service.user())
            .isIn(users)
            .isEqualTo(
                service.name().equals("topics-create")
                    ? "pool-operator"
                    : "pool-" + service.name());
      }
    }
  }

  @Test
  void budgetsAndNetworkPoliciesSelectPodsThatExist() throws Exception {
    List<Map<String, String>> pods = new ArrayList<>();
    List<Map<String, String>> selectors = new ArrayList<>();
    for (Map.Entry<Path, JsonNode> manifest : DeployCommands.manifests()) {
      JsonNode resource = manifest.getValue();
      JsonNode labels = resource.at("/spec/template/metadata/labels");
      if (!labels.isMissingNode()) {
        pods.add(texts(labels));
        resource
            .at("/spec/template/spec/topologySpreadConstraints")
            .forEach(spread -> selectors.add(texts(spread.at("/labelSelector/matchLabels"))));
      }
      switch (resource.get("kind").asText()) {
        case "PodDisruptionBudget" ->
            selectors.add(texts(resource.at("/spec/selector/matchLabels")));
        case "NetworkPolicy" -> selectors.add(texts(resource.at("/spec/podSelector/matchLabels")));
        case "Service" -> selectors.add(texts(resource.at("/spec/selector")));
        default -> {}
      }
    }
    assertThat(selectors).hasSize(11);
    for (Map<String, String> selector : selectors) {
      assertThat(selector).isNotEmpty();
      assertThat(pods).anyMatch(labels -> labels.entrySet().containsAll(selector.entrySet()));
    }
  }

  private static Map<String, String> texts(JsonNode labels) {
    Map<String, String> texts = new HashMap<>();
    labels.properties().forEach(label -> texts.put(label.getKey(), label.getValue().asText()));
    return texts;
  }

  @Test
  void kedaScalesTheGradientStageByItsLag() throws Exception {
    Path folder = Path.of("deploy", "keda");
    for (JsonNode resource : Manifests.in(folder)) {
      String kind = resource.get("kind").asText();
      assertThat(resource.at("/metadata/namespace").asText()).isEqualTo("fisher-streams");
      if (kind.equals("Secret")) {
        assertThat(read(resource)).isNotNull();
        continue;
      }
      JsonSchema schema =
          JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
              .getSchema(
                  Files.readString(Path.of("src/test/resources/keda").resolve(kind + ".json")));
      assertThat(schema.validate(resource)).as(kind).isEmpty();
      // The check can fail.
      JsonNode misspelt =
          YAML.readTree(resource.toString().replaceAll("maxReplicaCount|secretTargetRef", "x"));
      assertThat(schema.validate(misspelt)).as(kind).isNotEmpty();
    }
    JsonNode scaled = Manifests.in(folder, "ScaledObject").get(0).get("spec");
    assertThat(scaled.at("/scaleTargetRef/kind").asText()).isEqualTo("StatefulSet");
    assertThat(scaled.at("/scaleTargetRef/name").asText()).isEqualTo("gradient");
    JsonNode trigger = scaled.at("/triggers/0/metadata");
    assertThat(trigger.get("consumerGroup").asText()).isEqualTo(Stage.GRADIENT.group("pool"));
    assertThat(trigger.get("topic").asText())
        .isEqualTo(new PoolTopics("pool", SchemaRegistry.inMemory()).examples().name());
    // the scaler owns the number of instances
    assertThat(
            DeployCommands.manifests().stream()
                .map(Map.Entry::getValue)
                .filter(m -> m.get("kind").asText().equals("StatefulSet"))
                .filter(m -> m.at("/metadata/name").asText().equals("gradient"))
                .filter(m -> m.get("spec").has("replicas")))
        .isEmpty();
  }

  @Test
  void eachStageIsProbedAndScrapedWhereItListens() throws Exception {
    JsonNode config = YAML.readTree(DeployCommands.configMap().get("config.yaml"));
    int port = config.at("/metrics/port").asInt();
    int stages = 0;
    for (Map.Entry<Path, JsonNode> manifest : DeployCommands.manifests()) {
      JsonNode container = manifest.getValue().at("/spec/template/spec/containers/0");
      if (!container.path("args").path(0).asText().equals("run")) {
        continue;
      }
      stages++;
      Map<String, Integer> ports = new HashMap<>();
      container
          .get("ports")
          .forEach(p -> ports.put(p.get("name").asText(), p.get("containerPort").asInt()));
      assertThat(ports).containsEntry("metrics", port);
      assertThat(container.at("/livenessProbe/httpGet/path").asText()).isEqualTo("/health/live");
      assertThat(container.at("/readinessProbe/httpGet/path").asText()).isEqualTo("/health/ready");
      for (String probe : List.of("livenessProbe", "readinessProbe")) {
        assertThat(container.at("/" + probe + "/httpGet/port").asText()).isEqualTo("metrics");
      }
      if (container.get("name").asText().equals("api")) {
        assertThat(ports).containsEntry("http", config.at("/api/port").asInt());
      }
    }
    assertThat(stages).isEqualTo(6);
    assertThat(config.at("/metrics/listen").asText()).isEqualTo("0.0.0.0");
    JsonNode network =
        DeployCommands.manifests().stream()
            .map(Map.Entry::getValue)
            .filter(m -> m.get("kind").asText().equals("NetworkPolicy"))
            .filter(m -> m.get("spec").has("ingress"))
            .findFirst()
            .orElseThrow();
    assertThat(network.at("/spec/ingress/0/ports/0/port").asInt()).isEqualTo(port);
    JsonNode scraped =
        YAML.readTree(Path.of("deploy/prometheus/prometheus.yml").toFile())
            .at("/scrape_configs/0/dns_sd_configs/0");
    JsonNode compose = YAML.readTree(DeployCommands.COMPOSE.toFile());
    assertThat(scraped.get("port").asInt())
        .isEqualTo(
            YAML.readTree(Path.of("deploy/config.yaml").toFile()).at("/metrics/port").asInt());
    assertThat(scraped.get("names").size()).isEqualTo(Stage.values().length);
    scraped
        .get("names")
        .forEach(name -> assertThat(compose.get("services").has(name.asText())).isTrue());
  }

  @Test
  void alertsHaveARunbookThatExistsAndPanelsAUnitAndADescription() throws Exception {
    String operations = Files.readString(Path.of("docs/operations.md"));
    List<String> anchors =
        operations
            .lines()
            .filter(line -> line.matches("##+ .*"))
            .map(
                line ->
                    line.replaceFirst("^#+ ", "")
                        .toLowerCase(Locale.ROOT)
                        .replaceAll("[^a-z0-9 _-]", "")
                        .replace(' ', '-'))
            .toList();
    JsonNode rules =
        YAML.readTree(Path.of("deploy/prometheus/alerts.yml").toFile()).at("/groups/0/rules");
    assertThat(rules).hasSizeGreaterThan(10);
    for (JsonNode rule : rules) {
      String name = rule.get("alert").asText();
      assertThat(rule.get("expr").asText()).as(name).isNotBlank();
      assertThat(rule.at("/labels/severity").asText()).as(name).isIn("warning", "critical");
      String[] runbook = rule.at("/annotations/runbook_url").asText().split("#");
      assertThat(runbook[0]).endsWith("/docs/operations.md");
      assertThat(anchors).as(name).contains(runbook[1]);
    }
    JsonNode dashboard = YAML.readTree(Path.of("deploy/grafana/fisher-streams.json").toFile());
    for (JsonNode panel : dashboard.get("panels")) {
      if (!panel.get("type").asText().equals("row")) {
        String title = panel.get("title").asText();
        assertThat(panel.path("description").asText()).as(title).isNotBlank();
        assertThat(panel.at("/fieldConfig/defaults/unit").asText()).as(title).isNotBlank();
        assertThat(panel.get("targets")).as(title).isNotEmpty();
      }
    }
  }

  private static HasMetadata read(JsonNode manifest) throws Exception {
    String kind = manifest.get("apiVersion").asText() + " " + manifest.get("kind").asText();
    assertThat(KINDS).containsKey(kind);
    return Manifests.STRICT.treeToValue(manifest, KINDS.get(kind));
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
