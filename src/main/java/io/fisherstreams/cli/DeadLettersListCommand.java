package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.Since;
import io.fisherstreams.kafka.DeadLetterReader;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.text.PrintableText;
import io.fisherstreams.text.TextTable;
import io.fisherstreams.view.DeadLetterJson;
import java.io.PrintWriter;
import java.time.Instant;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "list",
    mixinStandardHelpOptions = true,
    description =
        "Lists the dead letters, oldest first: where each record was, its key, and why it was rejected.")
final class DeadLettersListCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Option(
      names = "--topic",
      paramLabel = "NAME",
      description =
          "Only records of this topic, such as examples, with the pool's name or without.")
  private String topic;

  @Option(
      names = "--since",
      paramLabel = "TIME",
      converter = Since.class,
      description = "Only records of this time or later: " + Since.FORMS + ".")
  private Instant since;

  @Option(names = "--json", description = "Prints each dead letter as one line of JSON.")
  private boolean json;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    PrintWriter out = spec.commandLine().getOut();
    TextTable table = new TextTable().right().left().left().left().left().left();
    table.row("OFFSET", "TIME", "STAGE", "ORIGIN", "KEY", "REASON");
    Consumer<DeadLetter> show =
        json ? letter -> out.println(DeadLetterJson.line(letter)) : letter -> add(table, letter);
    new DeadLetterReader(kafka, topics)
        .all(
            letter -> {
              if (isWanted(letter, topics.pool())) {
                show.accept(letter);
              }
            });
    if (!json) {
      table.print(out);
    }
    return 0;
  }

  private boolean isWanted(DeadLetter letter, String pool) {
    return (topic == null || letter.isFrom(pool, topic))
        && (since == null || !letter.at().isBefore(since));
  }

  private static void add(TextTable table, DeadLetter letter) {
    table.row(
        letter.offset(),
        letter.at(),
        PrintableText.of(letter.stage()),
        PrintableText.of(letter.place()),
        PrintableText.key(letter.key()),
        PrintableText.of(letter.reason()));
  }
}
