package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The completion script in bash, and the manual page in groff. */
class ShellTest {
  @TempDir private Path directory;

  private static String printed(String command) {
    StringWriter out = new StringWriter();
    int exit = Main.commandLine().setOut(new PrintWriter(out)).execute(command);
    assertThat(exit).isZero();
    return out.toString();
  }

  /** What a program prints, errors included; it must succeed. */
  private static String run(String... command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    return output;
  }

  private static boolean has(String program) throws InterruptedException {
    try {
      return new ProcessBuilder(program, "--version")
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false;
    }
  }

  private List<String> completed(Path script, String... words)
      throws IOException, InterruptedException {
    String line =
        String.format(
            Locale.ROOT,
            """
        compopt() { :; } # bash allows it within a completion only
        source '%s'
        COMP_WORDS=(%s)
        COMP_CWORD=%d
        _complete_fisher-streams
        printf '%%s\\n' "${COMPREPLY[@]}"
        """,
            script,
            String.join(" ", words),
            words.length - 1);
    return run("bash", "-c", line).lines().map(String::strip).toList();
  }

  @Test
  void bashCompletesCommandsSubcommandsAndOptions() throws Exception {
    Path script = Files.writeString(directory.resolve("completion"), printed("completion"));
    assertThat(run("bash", "-n", script.toString())).isEmpty();
    assertThat(completed(script, "fisher-streams", "dead")).containsExactly("dead-letters");
    assertThat(completed(script, "fisher-streams", "alias", "ho")).containsExactly("hold");
    assertThat(completed(script, "fisher-streams", "webhooks", "replay", "--si"))
        .containsExactly("--since");
    assertThat(completed(script, "fisher-streams", "run", "--stages", "merg"))
        .containsExactly("merge");
  }

  private static Stream<String> commands(CommandLine command) {
    return command.getSubcommands().values().stream()
        .flatMap(
            sub -> Stream.concat(Stream.of(sub.getCommandSpec().qualifiedName()), commands(sub)));
  }

  @Test
  void theManualPageHasEveryCommandAndGroffFindsNoFault() throws Exception {
    Path page = Files.writeString(directory.resolve("fisher-streams.1"), printed("man"));
    String unescaped = Files.readString(page).replace("\\-", "-");
    assertThat(unescaped)
        .startsWith(".TH FISHER-STREAMS 1 \"\" \"fisher-streams ")
        .contains("\n.B --bootstrap-servers=HOST:PORT[,...]\n", "\n.SH EXIT STATUS\n.TP\n.B 0\n");
    for (String command : commands(Main.commandLine()).toList()) {
      assertThat(unescaped).contains("\n.SS " + command + "\n");
    }
    assertThat(unescaped).doesNotContain("${", "%n", "null");
    assumeTrue(has("groff"), "groff is not installed");
    assertThat(run("groff", "-man", "-Tascii", "-ww", "-z", page.toString())).isEmpty();
    assertThat(run("groff", "-man", "-Tascii", "-P-cbou", page.toString()))
        .contains("fisher-streams dead-letters show", "--max-age");
  }
}
