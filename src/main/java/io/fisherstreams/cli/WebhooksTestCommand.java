package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.webhook.ReleaseEvent;
import io.fisherstreams.webhook.WebhookClient;
import java.time.Instant;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "test",
    mixinStandardHelpOptions = true,
    description = {
      "Posts one signed event of type test to a webhook and prints the answer.",
      "The exit code is 1 when the answer's status is not 2xx, or none comes in time. Kafka is not asked."
    })
final class WebhooksTestCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Parameters(paramLabel = "NAME", description = "The webhook's name in the configuration.")
  private String name;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws InterruptedException {
    WebhookClient client = new WebhookClient(WebhooksCommand.named(connection, name));
    ReleaseEvent event = ReleaseEvent.test(connection.poolName(), Instant.now());
    WebhookClient.Answer answer = client.post(event);
    if (answer.isAccepted()) {
      spec.commandLine()
          .getOut()
          .println(
              String.format(Locale.ROOT, "%s accepted the test: status %d", name, answer.status()));
      return 0;
    }
    spec.commandLine()
        .getErr()
        .println("fisher-streams: webhook " + name + ": " + answer.failure());
    return 1;
  }
}
