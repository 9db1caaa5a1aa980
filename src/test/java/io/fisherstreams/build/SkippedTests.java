package io.fisherstreams.build;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestExecutionResult.Status;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/**
 * Appends one line for each skipped test to a file, which {@code mvn verify} prints: class, method
 * and reason. A disabled test and a failed assumption both count as skipped.
 *
 * <p>The JUnit Platform registers the listener through {@code META-INF/services}. A run without a
 * skipped test leaves an empty file.
 */
public final class SkippedTests implements TestExecutionListener {
  /** The system property that names the file; without it, nothing is written. */
  static final String PROPERTY = "fisherstreams.skipped.tests";

  private final Optional<Path> file;
  private TestPlan plan;

  /** For the JUnit Platform. */
  public SkippedTests() {
    this(Optional.ofNullable(System.getProperty(PROPERTY)).map(Path::of));
  }

  SkippedTests(Optional<Path> file) {
    this.file = file;
  }

  @Override
  public void testPlanExecutionStarted(TestPlan started) {
    plan = started;
    append(List.of());
  }

  @Override
  public void executionSkipped(TestIdentifier test, String reason) {
    append(lines(test, reason));
  }

  @Override
  public void executionFinished(TestIdentifier test, TestExecutionResult result) {
    if (result.getStatus() == Status.ABORTED) {
      append(
          lines(test, result.getThrowable().map(Throwable::getMessage).orElse("no reason given")));
    }
  }

  /** One line, or one for each method when a whole class is skipped. */
  private List<String> lines(TestIdentifier skipped, String reason) {
    List<String> methods =
        Stream.concat(Stream.of(skipped), plan.getDescendants(skipped).stream())
            .filter(test -> test.getSource().orElse(null) instanceof MethodSource)
            .map(SkippedTests::name)
            .sorted()
            .toList();
    return (methods.isEmpty() ? List.of(skipped.getDisplayName()) : methods)
        .stream().map(name -> name + ": " + reason.strip().replaceAll("\\s*\\R\\s*", " ")).toList();
  }

  private static String name(TestIdentifier test) {
    MethodSource method = (MethodSource) test.getSource().orElseThrow();
    String name = method.getClassName() + "." + method.getMethodName();
    // One invocation of a parameterized test
    return test.getDisplayName().startsWith("[") ? name + " " + test.getDisplayName() : name;
  }

  private void append(List<String> lines) {
    if (file.isEmpty()) {
      return;
    }
    try {
      Files.createDirectories(file.get().toAbsolutePath().getParent());
      Files.write(file.get(), lines, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write the skipped tests to " + file.get(), e);
    }
  }
}
