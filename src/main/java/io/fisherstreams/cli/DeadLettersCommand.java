package io.fisherstreams.cli;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "dead-letters",
    mixinStandardHelpOptions = true,
    description = "Shows the records that the stages rejected, and why.",
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {DeadLettersListCommand.class, DeadLettersShowCommand.class})
final class DeadLettersCommand implements Runnable {
  private static final Pattern CONTROL = Pattern.compile("\\p{Cc}|\\p{Cf}");

  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "a command is missing: list or show");
  }

  /** A record's text on a terminal: whoever wrote it must not control that. */
  static String printable(String text) {
    return CONTROL.matcher(text).replaceAll("?");
  }

  /** A key as text; in hex when it is none. */
  static String key(byte[] key) {
    if (key == null) {
      return "-";
    }
    try {
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(key)).toString();
      return printable(text);
    } catch (CharacterCodingException e) {
      return "0x" + HexFormat.of().formatHex(key);
    }
  }
}
