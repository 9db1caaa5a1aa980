package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import java.lang.reflect.Field;
import java.lang.reflect.Member;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Help;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Help.Ansi.Text;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** The manual page of a command and its subcommands, for the macros {@code man} of troff. */
final class ManPage {
  private final StringBuilder page = new StringBuilder();
  private final Set<String> common = new LinkedHashSet<>();

  /** The page of a program of a version, as its option {@code --version} prints that. */
  ManPage(CommandLine root, String version) {
    CommandSpec spec = root.getCommandSpec();
    line(".TH %s 1 \"\" \"%s\"", spec.name().toUpperCase(Locale.ROOT), escape(version));
    line(".SH NAME");
    line("%s \\- %s", escape(spec.name()), description(spec));
    line(".SH SYNOPSIS");
    line(".B %s", escape(spec.name()));
    line("%s", escape("COMMAND [OPTION]... [ARGUMENT]..."));
    line(".SH DESCRIPTION");
    line("%s", description(spec));
    line(".SH COMMON OPTIONS");
    line("Every command has \\-\\-help. The others are those of all commands that use a pool.");
    commonOptions(root);
    line(".SH COMMANDS");
    subcommands(root);
    line(".SH EXIT STATUS");
    spec.usageMessage().exitCodeList().forEach((code, meaning) -> entry(code.strip(), meaning));
    line(".SH SEE ALSO");
    line("The documents in the folder docs of FisherStreams.");
  }

  /** The options of {@link Connection} and help, which most commands have, once. */
  private void commonOptions(CommandLine command) {
    for (CommandLine sub : all(command).toList()) {
      for (OptionSpec option : sub.getCommandSpec().options()) {
        if (isCommon(option) && common.add(option.longestName())) {
          option(help(sub), option);
        }
      }
    }
  }

  private static Stream<CommandLine> all(CommandLine command) {
    return Stream.concat(Stream.of(command), children(command).stream().flatMap(ManPage::all));
  }

  private static List<CommandLine> children(CommandLine command) {
    return command.getSubcommands().values().stream()
        .filter(sub -> !sub.getCommandSpec().usageMessage().hidden())
        .toList();
  }

  private static boolean isCommon(OptionSpec option) {
    return option.usageHelp()
        || option.versionHelp()
        || (option.userObject() instanceof Field field && isOfConnection(field));
  }

  private static boolean isOfConnection(Member field) {
    return field.getDeclaringClass().equals(Connection.class);
  }

  private void subcommands(CommandLine command) {
    for (CommandLine sub : children(command)) {
      CommandSpec spec = sub.getCommandSpec();
      Help help = help(sub);
      line(".SS %s", escape(spec.qualifiedName()));
      line("%s", description(spec));
      if (sub.getSubcommands().isEmpty()) {
        line(".PP");
        line("%s", escape(words(help.synopsis(0))));
      }
      for (PositionalParamSpec parameter : spec.positionalParameters()) {
        entry(
            help.createDefaultParameterRenderer()
                .render(parameter, help.createDefaultParamLabelRenderer(), help.colorScheme()));
      }
      for (OptionSpec option : spec.options()) {
        if (!isCommon(option) && !option.hidden()) {
          option(help, option);
        }
      }
      subcommands(sub);
    }
  }

  private static Help help(CommandLine command) {
    return new Help(command.getCommandSpec(), Help.defaultColorScheme(Ansi.OFF));
  }

  private void option(Help help, OptionSpec option) {
    entry(
        help.createDefaultOptionRenderer()
            .render(option, help.createDefaultParamLabelRenderer(), help.colorScheme()));
  }

  /** What picocli shows in columns: a mark, the short name, a comma, the long name, the text. */
  private void entry(Text[][] rows) {
    String names = rows[0][1] + (rows[0][2].toString().isBlank() ? "" : ", ") + rows[0][3];
    entry(
        names.strip(),
        Stream.of(rows).map(row -> row[4].toString()).collect(Collectors.joining(" ")));
  }

  private void entry(String names, String text) {
    line(".TP");
    line(".B %s", escape(words(names)));
    line("%s", escape(words(text)));
  }

  private static String description(CommandSpec spec) {
    return escape(words(help(spec.commandLine()).description()));
  }

  private static String words(String text) {
    return text.strip().replaceAll("\\s+", " ");
  }

  private void line(String format, Object... values) {
    page.append(String.format(Locale.ROOT, format, values)).append('\n');
  }

  /** A text that troff prints as it is. */
  private static String escape(String text) {
    StringBuilder escaped = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              if (c == '\\') {
                escaped.append("\\e");
              } else if (c == '-') {
                escaped.append("\\-");
              } else if (c == '"') {
                escaped.append("\\(dq");
              } else if (c < 128) {
                escaped.append((char) c);
              } else {
                escaped.append(String.format(Locale.ROOT, "\\[u%04X]", c));
              }
            });
    return text.startsWith(".") || text.startsWith("'") ? "\\&" + escaped : escaped.toString();
  }

  @Override
  public String toString() {
    return page.toString();
  }
}
