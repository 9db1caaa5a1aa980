package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseAliases;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Aliases as a user moves them, on a real broker, in a pool that keeps one release. */
class AliasIT {
  @TempDir private Path directory;

  private CommandPool pool;

  @BeforeEach
  void start() {
    PlanPolicy keepsOne =
        new PlanPolicy(Duration.ZERO, Duration.ZERO, 1, Duration.ZERO, Set.of("a"));
    pool = new CommandPool(directory, 2, keepsOne);
  }

  @AfterEach
  void stop() {
    pool.close();
  }

  private int cli(String... arguments) {
    return pool.run(arguments);
  }

  private String file(String name, float value) {
    return pool.file(name, Map.of("weight", new float[] {value, value, value}));
  }

  /** The pool's only model has this value, so its release has it too. */
  private void publish(long release, float value) {
    assertThat(cli("publish", "checkpoint", file("a" + release, value), "--model", "a")).isZero();
    assertThat(cli("publish", "fisher", file("fisher", 1), "--model", "a")).isZero();
    pool.awaitRelease(
        "release " + release,
        r -> r.getRelease() == release && r.getStatus() == ReleaseStatus.COMPLETE);
  }

  private float exported(String release) throws IOException {
    Path output = directory.resolve("out.safetensors");
    Files.deleteIfExists(output);
    assertThat(cli("export", "--release", release, "--output", output.toString())).isZero();
    byte[] bytes = Files.readAllBytes(output);
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getFloat(bytes.length - 4);
  }

  @Test
  void exportFollowsAnAliasThroughRetentionRollbackARestartAndItsRemoval() throws IOException {
    assertThat(cli("publish", "checkpoint", file("base", 0), "--model", "base", "--base")).isZero();
    publish(1, 1.5f);
    assertThat(cli("alias", "set", "production", "1")).isZero();
    publish(2, 2.5f);
    assertThat(cli("alias", "set", "production", "2")).isZero();
    publish(3, 3.5f);
    publish(4, 4.5f);
    assertThat(exported("production")).isEqualTo(2.5f);
    assertThat(pool.output("status").lines().filter(line -> line.startsWith("a ")))
        .as("replaced versions are gone")
        .hasSize(1);
    pool.restartStages();
    assertThat(cli("rollback", "production")).isZero();
    assertThat(exported("production")).isEqualTo(1.5f);
    assertThat(cli("rollback", "production")).as("nothing earlier").isEqualTo(1);
    assertThat(rejection("alias", "set", "production", "9")).contains("there is no release 9");
    assertThat(new ReleaseAliases(pool.kafka, pool.topics).all().get("production").getRelease())
        .isEqualTo(1);
    assertThat(cli("alias")).isZero();
    assertThat(cli("export", "--release", "staging", "--output", "x")).isEqualTo(1);
    assertThat(cli("alias", "set", "production", "4")).isZero();
    publish(5, 5.5f);
    assertThat(cli("alias", "set", "production", "5")).isZero();
    publish(6, 6.5f);
    publish(7, 7.5f);
    Instant deadline = Instant.now().plus(Duration.ofMinutes(2));
    while (cli("export", "--release", "1", "--output", directory + "/gone.safetensors") == 0) {
      Files.delete(directory.resolve("gone.safetensors"));
      assertThat(Instant.now()).as("no alias holds release 1 any more").isBefore(deadline);
    }
    assertThat(rejection("export", "--release", "1", "--output", directory + "/gone.safetensors"))
        .contains("the tensors of release 1 are no longer kept");
    assertThat(rejection("alias", "set", "production", "1"))
        .contains("the tensors of release 1 are no longer kept");
    assertThat(exported("4")).as("where a rollback would go").isEqualTo(4.5f);
    assertThat(cli("alias", "remove", "production")).isZero();
    assertThat(cli("alias", "remove", "production")).as("removed before").isEqualTo(1);
    assertThat(pool.output("alias")).doesNotContain("production");
    assertThat(cli("export", "--release", "production", "--output", "x")).isEqualTo(1);
    assertThat(exported("7")).as("the newest, which is kept").isEqualTo(7.5f);
  }

  @Test
  void aReleaseIsExportedWhateverBecomesOfTheBaseItWasMadeWith() throws IOException {
    assertThat(cli("publish", "checkpoint", file("base", 0), "--model", "base", "--base")).isZero();
    publish(1, 1.5f);
    Path before = directory.resolve("before.safetensors");
    assertThat(cli("export", "--release", "1", "--output", before.toString())).isZero();
    String another =
        pool.file("other-base", Map.of("weight", new float[] {4}, "added", new float[] {5}));
    assertThat(cli("publish", "checkpoint", another, "--model", "base", "--base")).isZero();
    Path replaced = directory.resolve("replaced.safetensors");
    assertThat(cli("export", "--release", "1", "--output", replaced.toString())).isZero();
    assertThat(replaced).hasSameBinaryContentAs(before);
    assertThat(cli("withdraw", "base")).isZero();
    Path withdrawn = directory.resolve("withdrawn.safetensors");
    assertThat(cli("export", "--release", "1", "--output", withdrawn.toString())).isZero();
    assertThat(withdrawn).hasSameBinaryContentAs(before);
  }

  @Test
  void whatCannotBeIsRejectedAtOnce() {
    assertThat(cli("publish", "checkpoint", file("base", 0), "--model", "base", "--base")).isZero();
    publish(1, 1.5f);
    assertThat(rejection("alias", "set", "3rd", "1"))
        .contains("alias '3rd' is not 1 to 100 letters");
    String again = file("again", 3);
    String[] base = {"publish", "checkpoint", again, "--model", "base", "--base"};
    assertThat(rejection(with(base, "--exclude", "["))).contains("is no regular expression");
    assertThat(
            rejection("publish", "checkpoint", file("nan", Float.NaN), "--model", "base", "--base"))
        .contains("tensor 'weight' has NaN at element 0");
    assertThat(rejection(with(base, "--model-version", "1"))).contains("must be higher");
    assertThat(rejection("publish", "checkpoint", again, "--model", "a b"))
        .contains("'a b' is no model name");
    assertThat(rejection("publish", "checkpoint", again, "--model", "base"))
        .contains("base is the pool's base model");
    assertThat(rejection("publish", "checkpoint", again, "--model", "a", "--base"))
        .contains("a is a fine-tuned model of the pool");
    assertThat(rejection("publish", "checkpoint", again, "--model", "another", "--base"))
        .contains("the pool's base model is base");
    assertThat(rejection("weight", "base", "2")).contains("base is the pool's base model");
    assertThat(
            rejection(
                "publish",
                "gradients",
                file("gradients", 1),
                "--model",
                "a",
                "--source",
                "@t",
                "--sequence",
                "0"))
        .contains("names that begin with '@' are reserved for the pipeline");
  }

  @Test
  void otherSettingsMakeANewVersion() {
    assertThat(cli("publish", "checkpoint", file("base", 0), "--model", "base", "--base")).isZero();
    publish(1, 1.5f);
    String[] again = {"publish", "checkpoint", file("a1", 1.5f), "--model", "a"};
    String first = pool.output(again);
    assertThat(pool.output(again)).isEqualTo(first);
    for (String setting : List.of("--num-examples=2", "--refine-every=3", "--decay=0.5")) {
      String announced = pool.output(with(again, setting));
      assertThat(announced).isNotEqualTo(first);
      assertThat(pool.output(with(again, setting))).isEqualTo(announced);
      first = announced;
    }
  }

  private static String[] with(String[] line, String... more) {
    return Stream.concat(Stream.of(line), Stream.of(more)).toArray(String[]::new);
  }

  /** What a command prints that must fail. */
  private String rejection(String... arguments) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    try {
      assertThat(cli(arguments)).isEqualTo(1);
    } finally {
      System.setErr(before);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }
}
