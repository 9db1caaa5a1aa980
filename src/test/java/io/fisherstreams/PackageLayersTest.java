package io.fisherstreams;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import com.tngtech.archunit.lang.syntax.ArchRuleDefinition;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The layers of the code: imports point downwards only, and no packages form a circle. */
class PackageLayersTest {
  private static final String ROOT = "io.fisherstreams";

  /** From the ground up. Packages of one layer do not know each other. */
  private static final List<List<String>> LAYERS =
      List.of(
          List.of(""),
          List.of("tensor", "files", "text", "template", "metrics", "search"),
          List.of("checkpoint", "fisher", "record.serde"),
          List.of("record", "kernel"),
          List.of("kafka", "gradient.example", "gradient.device"),
          List.of("gradient.model"),
          List.of("gradient"),
          List.of("publish", "release", "merge.state", "merge.payload", "coordinator.state"),
          List.of("merge", "coordinator", "estimation", "gate", "webhook"),
          List.of("similarity", "local", "view"),
          List.of("monitor"),
          List.of("api"),
          List.of("config"),
          List.of("oneshot", "simulate"),
          List.of("bench", "demo", "tuning"),
          List.of("cli.options", "cli.output"),
          List.of("cli"));

  private static final Map<String, Integer> LAYER_OF_PACKAGE =
      IntStream.range(0, LAYERS.size())
          .boxed()
          .flatMap(layer -> LAYERS.get(layer).stream().map(name -> Map.entry(name, layer)))
          .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .withImportOption(location -> !location.contains("/test-classes/"))
          .withImportOption(location -> !location.contains("jmh_generated"))
          .importPackages(ROOT);

  private static final Pattern IMPORT =
      Pattern.compile(
          "^import (?:static )?io\\.fisherstreams(?:\\.([a-z.]+))?\\.[A-Z]", Pattern.MULTILINE);

  private static boolean isOurs(JavaClass type) {
    return type.getPackageName().equals(ROOT) || type.getPackageName().startsWith(ROOT + ".");
  }

  private static String packageOf(JavaClass type) {
    return type.getPackageName().equals(ROOT)
        ? ""
        : type.getPackageName().substring(ROOT.length() + 1);
  }

  @Test
  void everyPackageHasALayer() {
    TreeSet<String> packages = new TreeSet<>();
    CLASSES.forEach(type -> packages.add(packageOf(type)));

    assertThat(packages).isEqualTo(new TreeSet<>(LAYER_OF_PACKAGE.keySet()));
  }

  @Test
  void importsPointDownwards() {
    ArchRuleDefinition.classes()
        .should(
            new ArchCondition<JavaClass>("depend on lower layers only") {
              @Override
              public void check(JavaClass type, ConditionEvents events) {
                String from = packageOf(type);
                type.getDirectDependenciesFromSelf().stream()
                    .filter(dependency -> isOurs(dependency.getTargetClass()))
                    .filter(dependency -> !packageOf(dependency.getTargetClass()).equals(from))
                    .filter(
                        dependency ->
                            LAYER_OF_PACKAGE.get(packageOf(dependency.getTargetClass()))
                                >= LAYER_OF_PACKAGE.get(from))
                    .forEach(
                        dependency ->
                            events.add(
                                SimpleConditionEvent.violated(type, dependency.getDescription())));
              }
            })
        .check(CLASSES);
  }

  /** Class files lose an import that only Javadoc uses. */
  @Test
  void importsOfJavadocPointDownwardsToo() throws IOException {
    Path sources = Path.of("src/main/java/io/fisherstreams");
    List<String> upwards = new ArrayList<>();
    try (Stream<Path> files = Files.walk(sources)) {
      for (Path file : files.filter(path -> path.toString().endsWith(".java")).toList()) {
        String from = sources.relativize(file.getParent()).toString().replace('/', '.');
        Matcher imports = IMPORT.matcher(Files.readString(file));
        while (imports.find()) {
          String to = imports.group(1) == null ? "" : imports.group(1);
          if (!to.equals(from) && LAYER_OF_PACKAGE.get(to) >= LAYER_OF_PACKAGE.get(from)) {
            upwards.add(file + " imports " + to);
          }
        }
      }
    }

    assertThat(upwards).isEmpty();
  }

  @Test
  void packagesFormNoCircle() {
    slices().matching(ROOT + ".(**)").should().beFreeOfCycles().check(CLASSES);
  }

  @Test
  void theMathematicsKnowsNoKafka() {
    noClasses()
        .that()
        .resideInAnyPackage(
            ROOT + ".tensor",
            ROOT + ".files",
            ROOT + ".checkpoint",
            ROOT + ".fisher",
            ROOT + ".kernel",
            ROOT + ".gradient..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.apache.kafka..")
        .check(CLASSES);
  }

  @Test
  void onlyCommandsKnowTheCommandLine() {
    noClasses()
        .that()
        .haveSimpleNameNotEndingWith("Command")
        .and()
        .resideOutsideOfPackages(ROOT + ".cli..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("picocli..")
        .check(CLASSES);
  }
}
