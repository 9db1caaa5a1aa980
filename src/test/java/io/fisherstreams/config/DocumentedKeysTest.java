package io.fisherstreams.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.api.ApiOptions;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.coordinator.ShareLimits;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.gate.GateOptions;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.gradient.device.DeviceChoice;
import io.fisherstreams.gradient.device.DeviceChoice.Kind;
import io.fisherstreams.gradient.device.Precision;
import io.fisherstreams.kernel.KernelName;
import io.fisherstreams.merge.LocalPayloads;
import io.fisherstreams.merge.MergeOptions;
import io.fisherstreams.monitor.MonitorOptions;
import io.fisherstreams.record.EstimatorName;
import io.fisherstreams.record.UnchangedWeight;
import io.fisherstreams.webhook.Webhook;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The documents of the YAML files list the keys that the code knows, no more and no fewer. */
final class DocumentedKeysTest {
  private static final Path CONFIGURATION = Path.of("docs/configuration.md");
  private static final Path MERGE_YAML = Path.of("docs/merge-yaml.md");
  private static final String UNKNOWN = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";
  private static final Pattern KNOWN = Pattern.compile("unknown key; known are (.*)$");
  private static final Pattern ROW =
      Pattern.compile("^\\| `([^`]+)` \\| [^|]* \\|([^|]*)\\|", Pattern.MULTILINE);

  @TempDir private Path directory;

  @Test
  void configurationListsTheKeysThatTheCodeKnows() throws IOException {
    assertThat(defaults(CONFIGURATION).keySet()).isEqualTo(known("", ServiceConfig::read));
  }

  @Test
  void mergeYamlListsTheKeysThatTheCodeKnows() throws IOException {
    assertThat(defaults(MERGE_YAML).keySet()).isEqualTo(known("base: b\n", MergeFile::read));
  }

  @Test
  void exampleOfTheConfigurationIsReadWithEveryKey() throws IOException {
    Path file = file(example(CONFIGURATION));
    assertThat(ServiceConfig.read(file))
        .isEqualTo(
            new ServiceConfig(
                "vision",
                "kafka-1.example.org:9093,kafka-2.example.org:9093",
                "https://registry.example.org:8081",
                directory.resolve("client.properties"),
                Path.of("/var/lib/fisher-streams"),
                12,
                (short) 3,
                4,
                new MergeOptions(KernelName.JAVA, LocalPayloads.RECENT),
                1,
                new GradientOptions(
                    2048,
                    Duration.ofMillis(500),
                    Optional.of(Path.of("/etc/fisher-streams/torchscript")),
                    new ComputeSettings(new DeviceChoice(Kind.GPU, 1), Precision.BFLOAT16)),
                new PlanPolicy(
                    Duration.ofSeconds(1),
                    Duration.ofSeconds(10),
                    20,
                    Duration.ofDays(3),
                    Set.of(),
                    new ShareLimits(0.9, false)),
                Optional.of(
                    new GateOptions(
                        "production",
                        0.02,
                        16,
                        true,
                        List.of(
                            new GateOptions.Task(
                                "cars",
                                directory.resolve("clip-cars"),
                                directory.resolve("cars-test.safetensors"),
                                Optional.of(directory.resolve("cars-head.safetensors")),
                                Optional.empty(),
                                OptionalInt.empty()),
                            new GateOptions.Task(
                                "signs",
                                directory.resolve("signs"),
                                directory.resolve("signs-test.jsonl"),
                                Optional.empty(),
                                Optional.of(directory.resolve("signs/model.pt")),
                                OptionalInt.of(64))),
                        new ComputeSettings(DeviceChoice.AUTO, Precision.FLOAT32))),
                List.of(
                    new Webhook(
                        "deploy",
                        URI.create("https://deploy.example.org/fisher-streams"),
                        Optional.of("DEPLOY_SECRET"),
                        Optional.empty(),
                        Duration.ofSeconds(5),
                        Duration.ofSeconds(2),
                        Duration.ofMinutes(1)),
                    new Webhook(
                        "chat",
                        URI.create("http://localhost:8080/releases"),
                        Optional.empty(),
                        Optional.of(Path.of("/etc/fisher-streams/chat-secret")),
                        Webhook.TIMEOUT,
                        Webhook.FIRST_WAIT,
                        Webhook.MAX_WAIT)),
                Optional.of(
                    new ApiOptions(
                        "0.0.0.0",
                        8443,
                        Optional.of(Path.of("/etc/fisher-streams/api-token")),
                        List.of("fisher.example.org"),
                        List.of("https://ops.example.org"),
                        20,
                        2,
                        32)),
                Optional.of(new MonitorOptions("10.0.0.5", 9464))));
    assertNamesEveryKey(CONFIGURATION);
  }

  @Test
  void exampleOfMergeYamlIsReadWithEveryKey() throws IOException {
    MergeFile file = MergeFile.read(file(example(MERGE_YAML)));
    assertThat(file.base()).isEqualTo(directory.resolve("clip-vit-base-patch32"));
    assertThat(file.models())
        .containsExactly(
            new MergeFile.Model(
                "sun397",
                directory.resolve("clip-sun397"),
                Optional.of(directory.resolve("clip-sun397.fisher.safetensors")),
                Optional.empty(),
                new Coefficients(
                    OptionalDouble.of(0.4), new TreeMap<>(Map.of("early", 0.2, "late", 0.6))),
                Optional.empty(),
                Optional.empty(),
                OptionalInt.empty()),
            new MergeFile.Model(
                "cars",
                directory.resolve("clip-cars"),
                Optional.empty(),
                Optional.of(directory.resolve("cars.safetensors")),
                Coefficients.DEFAULT,
                Optional.of(directory.resolve("cars-head.safetensors")),
                Optional.of(directory.resolve("cars-test.safetensors")),
                OptionalInt.of(64)));
    assertThat(file.method())
        .isEqualTo(
            new MergeFile.Method(
                List.of("visual_projection", "logit_scale$"),
                new FisherAverage(1.2, 0.5, FisherAverage.Unit.MEAN, 1e-3),
                256,
                Optional.of(EstimatorName.SAMPLED),
                4,
                7,
                16,
                UnchangedWeight.EPSILON,
                300,
                ParameterGroups.of(
                    List.of(
                        new ParameterGroups.Group(
                            "early", "vision_model\\.encoder\\.layers\\.[0-5]\\."),
                        new ParameterGroups.Group("late", "vision_model\\.encoder\\.layers\\.")))));
    assertThat(file.compare())
        .containsExactly(
            new MergeFile.Compared("gradient_matching", new GradientMatching(1, 0.3)),
            new MergeFile.Compared("gradient_matching prior 1", new GradientMatching(1, 1)));
    assertNamesEveryKey(MERGE_YAML);
  }

  @Test
  void documentedDefaultsAreTheCodes() throws IOException {
    Map<String, String> configuration = defaults(CONFIGURATION);
    configuration.remove("state_directory"); // read from a file, it would be relative to the file
    assertThat(ServiceConfig.read(file(yaml(configuration)))).isEqualTo(ServiceConfig.defaults());
    String method = "base: b\nmodels: [{name: m, checkpoint: c, fisher: f}]\n";
    assertThat(MergeFile.read(file(method + yaml(defaults(MERGE_YAML)))).method())
        .isEqualTo(MergeFile.Method.DEFAULT);
  }

  /** What each documented key has in its column of defaults. */
  private static Map<String, String> defaults(Path document) throws IOException {
    Map<String, String> defaults = new LinkedHashMap<>();
    Matcher rows = ROW.matcher(Files.readString(document));
    while (rows.find()) {
      assertThat(defaults.put(rows.group(1), rows.group(2).strip())).as(rows.group(1)).isNull();
    }
    return defaults;
  }

  /**
   * A YAML that gives every key the default that stands in backticks, if one does. A mapping with a
   * key that is needed has none itself.
   */
  private static String yaml(Map<String, String> defaults) {
    StringBuilder yaml = new StringBuilder();
    defaults.forEach(
        (key, value) -> {
          String name = key.substring(key.indexOf('.') + 1);
          String mapping = key.replaceAll("\\..*", "") + ".";
          boolean isOptional =
              "none".equals(defaults.get(key.replaceAll("\\..*", "")))
                  || defaults.entrySet().stream()
                      .anyMatch(
                          other ->
                              other.getKey().startsWith(mapping)
                                  && other.getValue().equals("needed"));
          if (isOptional) {
            return;
          }
          if (defaults.keySet().stream().anyMatch(other -> other.startsWith(key + "."))) {
            yaml.append(key).append(":\n");
          } else if (value.startsWith("`") && value.endsWith("`") && !key.contains("[]")) {
            String indent = key.contains(".") ? "  " : "";
            yaml.append(indent).append(name).append(": ").append(value.replace("`", ""));
            yaml.append('\n');
          }
        });
    return yaml.toString();
  }

  private static String example(Path document) throws IOException {
    Matcher block =
        Pattern.compile("```yaml\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(document));
    assertThat(block.find()).isTrue();
    return block.group(1);
  }

  private static void assertNamesEveryKey(Path document) throws IOException {
    String example = example(document);
    for (String key : defaults(document).keySet()) {
      String name = key.substring(key.lastIndexOf('.') + 1);
      // A key that excludes another one is in a comment.
      assertThat(example).containsPattern("(?m)^[# -]*" + name + ":");
    }
  }

  /** Asks the reader for its keys: it answers an unknown one with those that it knows. */
  private Set<String> known(String needed, Consumer<Path> reader) throws IOException {
    Set<String> known = new TreeSet<>();
    for (String key : knownIn(needed + UNKNOWN + ": 1\n", reader).orElseThrow()) {
      known.add(key);
      String rest = needed.startsWith(key + ":") ? "" : needed;
      nested(rest + key + ":\n", "", key, reader, known);
    }
    return known;
  }

  /** The same of the mapping, or of the list of mappings, under a key. */
  private void nested(
      String head, String indent, String key, Consumer<Path> reader, Set<String> known)
      throws IOException {
    for (String item : List.of("  ", "  - ")) {
      String prefix = key + (item.isBlank() ? "." : "[].");
      Optional<List<String>> names =
          knownIn(head + indent + item + UNKNOWN + ": 1\n", reader)
              .filter(found -> known.stream().noneMatch(k -> k.startsWith(prefix)));
      for (String name : names.orElse(List.of())) {
        if (known.add(prefix + name) && item.isBlank()) {
          nested(head + indent + item + name + ":\n", indent + item, prefix + name, reader, known);
        }
      }
    }
  }

  private Optional<List<String>> knownIn(String yaml, Consumer<Path> reader) throws IOException {
    Path file = file(yaml);
    InvalidInput rejection = catchThrowableOfType(InvalidInput.class, () -> reader.accept(file));
    assertThat(rejection).as("%s", yaml).isNotNull();
    Matcher names = KNOWN.matcher(rejection.getMessage());
    return names.find() ? Optional.of(List.of(names.group(1).split(", "))) : Optional.empty();
  }

  private Path file(String yaml) throws IOException {
    return Files.writeString(directory.resolve("file.yaml"), yaml);
  }
}
