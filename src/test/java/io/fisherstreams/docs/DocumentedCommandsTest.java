package io.fisherstreams.docs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.cli.Main;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/** The command lines that the pages show are ones that the program understands. */
final class DocumentedCommandsTest {
  private static final Pattern COMMAND =
      Pattern.compile("^(?:[A-Z_]+=\\S+ )?(?:bin/)?fisher-streams ([^#]*)");
  private static final Pattern WORD = Pattern.compile("'([^']*)'|(\\S+)");

  static List<String> commands() throws IOException {
    List<String> commands = new ArrayList<>();
    for (MarkdownPage page : MarkdownPage.all(Path.of(""))) {
      for (List<String> block : page.code(Set.of("bash", "sh", ""))) {
        for (String line : String.join("\n", block).replace("\\\n", " ").split("\n")) {
          Matcher command = COMMAND.matcher(line.strip());
          if (command.find()) {
            commands.add(command.group(1).split(" [|>]")[0].strip());
          }
        }
      }
    }
    return commands;
  }

  @ParameterizedTest
  @MethodSource("commands")
  void programUnderstands(String command) {
    assertThat(parse(command).hasSubcommand()).isTrue();
  }

  @Test
  void manyCommandsAreShownAndAWrongOneIsFound() throws IOException {
    assertThat(commands()).hasSizeGreaterThan(20);
    assertThatThrownBy(() -> parse("merge merge.yaml --outputs merged"))
        .isInstanceOf(CommandLine.ParameterException.class);
  }

  private static CommandLine.ParseResult parse(String command) {
    List<String> words = new ArrayList<>();
    Matcher found = WORD.matcher(command);
    while (found.find()) {
      words.add(found.group(1) != null ? found.group(1) : found.group(2));
    }
    return new CommandLine(new Main())
        .setCaseInsensitiveEnumValuesAllowed(true)
        .parseArgs(words.toArray(String[]::new));
  }
}
