package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.kafka.DeadLetterReader;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.text.PrintableText;
import io.fisherstreams.view.DeadLetterJson;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "show",
    mixinStandardHelpOptions = true,
    description = {
      "Prints a dead letter, with the record's value as JSON: decoded if it is what its topic has, otherwise its first bytes in hex.",
      "Long arrays and bytes are cut."
    })
final class DeadLettersShowCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Parameters(
      paramLabel = "OFFSET",
      description = "The dead letter's own offset, as dead-letters list prints it.")
  private long offset;

  @Option(names = "--json", description = "Prints all as one JSON object.")
  private boolean json;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    DeadLetter letter =
        new DeadLetterReader(kafka, topics)
            .find(offset)
            .orElseThrow(
                () ->
                    new InvalidInput(
                        String.format(
                            Locale.ROOT,
                            "%s has no dead letter at offset %d; dead-letters list shows them",
                            topics.deadLetters().name(),
                            offset)));
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(DeadLetterJson.whole(letter, topics));
      return 0;
    }
    out.printf(Locale.ROOT, "offset  %d%n", letter.offset());
    out.printf("time    %s%n", letter.at());
    out.printf("stage   %s%n", PrintableText.of(letter.stage()));
    out.printf("reason  %s%n", PrintableText.of(letter.reason()));
    out.printf("origin  %s%n", PrintableText.of(letter.place()));
    out.printf("key     %s%n", PrintableText.key(letter.key()));
    if (letter.size().isPresent()) {
      out.printf(
          "value   not copied: the record has %s bytes; SHA-256 of its value %s%n",
          PrintableText.of(letter.size().get()),
          PrintableText.of(letter.sha256().orElse("unknown")));
    } else {
      out.printf("value   %s%n", DeadLetterJson.value(letter, topics));
    }
    return 0;
  }
}
