package io.fisherstreams.build;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Disabled;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.core.LauncherConfig;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

class SkippedTestsTest {
  @TempDir Path directory;

  @Test
  void namesEveryDisabledTestWithItsReason() throws IOException {
    assertThat(skippedTestsOf(WithDisabledTest.class))
        .isEqualTo(name(WithDisabledTest.class, "second") + ": needs a GPU\n");
  }

  @Test
  void namesEveryInvocationWhoseAssumptionFails() throws IOException {
    assertThat(skippedTestsOf(WithAssumption.class))
        .isEqualTo(name(WithAssumption.class, "even") + " [2] 3: Assumption failed: 3 is odd\n");
  }

  @Test
  void namesEveryMethodOfAClassWhoseAssumptionFails() throws IOException {
    assertThat(skippedTestsOf(WithoutPython.class))
        .isEqualTo(
            name(WithoutPython.class, "first")
                + ": Assumption failed: no Python\n"
                + name(WithoutPython.class, "second")
                + ": Assumption failed: no Python\n");
  }

  @Test
  void leavesAnEmptyFileWhenNothingIsSkipped() throws IOException {
    assertThat(skippedTestsOf(Complete.class)).isEmpty();
  }

  private String skippedTestsOf(Class<?> tests) throws IOException {
    Path file = directory.resolve("reports").resolve("skipped.txt");
    LauncherFactory.create(
            LauncherConfig.builder().enableTestExecutionListenerAutoRegistration(false).build())
        .execute(
            LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectClass(tests))
                .build(),
            new SkippedTests(Optional.of(file)));
    return Files.readString(file);
  }

  private static String name(Class<?> tests, String method) {
    return tests.getName() + "." + method;
  }

  static final class WithDisabledTest {
    @Test
    void first() {}

    @Test
    @Disabled("needs a GPU")
    void second() {}
  }

  static final class WithAssumption {
    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void even(int number) {
      assumeTrue(number % 2 == 0, number + " is odd");
    }
  }

  static final class WithoutPython {
    @BeforeAll
    static void requirePython() {
      assumeTrue(false, "no Python");
    }

    @Test
    void first() {}

    @Test
    void second() {}
  }

  static final class Complete {
    @Test
    void first() {}
  }
}
