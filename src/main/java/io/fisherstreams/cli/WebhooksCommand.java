package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.webhook.Webhook;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "webhooks",
    mixinStandardHelpOptions = true,
    description = {
      "Lists, tests and feeds the webhooks of the configuration (docs/webhooks.md).",
      "run --stages webhooks sends them the pool's events."
    },
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      WebhooksListCommand.class,
      WebhooksTestCommand.class,
      WebhooksReplayCommand.class
    })
final class WebhooksCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "a command is missing");
  }

  /** The configured webhooks; rejects a configuration without any. */
  static List<Webhook> all(Connection connection) {
    List<Webhook> hooks = connection.config().webhooks();
    if (hooks.isEmpty()) {
      throw new InvalidInput("the configuration has no webhooks: name one with --config FILE");
    }
    return hooks;
  }

  static Webhook named(Connection connection, String name) {
    List<Webhook> hooks = all(connection);
    return hooks.stream()
        .filter(hook -> hook.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new InvalidInput(
                    "there is no webhook '%s'; the configuration has %s"
                        .formatted(
                            name, String.join(", ", hooks.stream().map(Webhook::name).toList()))));
  }
}
