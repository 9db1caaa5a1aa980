package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.Secrets;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.coordinator.StageLag;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.fisherstreams.text.TextTable;
import io.fisherstreams.webhook.Webhook;
import io.fisherstreams.webhook.WebhookClient;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "list",
    mixinStandardHelpOptions = true,
    description =
        "Lists the webhooks, the records that each has still to read, and whether its secret can be read here.")
final class WebhooksListCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    List<Webhook> hooks = WebhooksCommand.all(connection);
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    TextTable table = new TextTable().left().left().left().left();
    table.row("NAME", "URL", "LAG", "SECRET");
    for (Webhook hook : hooks) {
      table.row(
          hook.name(),
          Secrets.mask(hook.url().toString()),
          StageLag.of(kafka, Stage.webhookGroup(topics.pool(), hook.name())),
          secret(hook));
    }
    table.print(spec.commandLine().getOut());
    return 0;
  }

  private static String secret(Webhook hook) {
    try {
      new WebhookClient(hook);
      return "in " + hook.secretPlace();
    } catch (InvalidInput e) {
      return "unusable: " + e.getMessage();
    }
  }
}
