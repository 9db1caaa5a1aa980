package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.Since;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.NamedRelease;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.webhook.PastEvents;
import io.fisherstreams.webhook.ReleaseEvent;
import io.fisherstreams.webhook.Webhook;
import io.fisherstreams.webhook.WebhookClient;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "replay",
    mixinStandardHelpOptions = true,
    description = {
      "Posts events again, each once, with the webhook-id that they had: a receiver can drop what it has seen.",
      "The command stops at the first event that a webhook does not accept, with exit code 1."
    })
final class WebhooksReplayCommand implements Callable<Integer> {
  private static final class Which {
    @Option(
        names = "--release",
        paramLabel = "N_OR_ALIAS",
        description = "The events of this release, and of aliases that point to it.")
    private String release;

    @Option(
        names = "--since",
        paramLabel = "TIME",
        converter = Since.class,
        description = "The events since then: " + Since.FORMS + ".")
    private Instant since;
  }

  @Mixin private Connection connection;

  @Parameters(arity = "0..1", paramLabel = "NAME", description = "One webhook. Default: all.")
  private String name;

  @ArgGroup(multiplicity = "1")
  private Which which;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws InterruptedException {
    List<Webhook> hooks =
        name == null
            ? WebhooksCommand.all(connection)
            : List.of(WebhooksCommand.named(connection, name));
    List<WebhookClient> clients = hooks.stream().map(WebhookClient::new).toList();
    List<ReleaseEvent> events = events();
    if (events.isEmpty()) {
      throw new InvalidInput("there are no such events");
    }
    for (WebhookClient client : clients) {
      for (ReleaseEvent event : events) {
        post(client, event);
      }
    }
    return 0;
  }

  private List<ReleaseEvent> events() {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    List<ReleaseEvent> all = PastEvents.read(kafka, topics);
    if (which.since != null) {
      return all.stream().filter(event -> !event.at().isBefore(which.since)).toList();
    }
    Release release =
        NamedRelease.find(which.release, new ReleaseReader(kafka, topics), kafka, topics);
    return all.stream().filter(event -> event.release() == release.getRelease()).toList();
  }

  private void post(WebhookClient client, ReleaseEvent event) throws InterruptedException {
    String what = client.name() + ": " + event.type() + of(event) + " of " + event.at();
    WebhookClient.Answer answer = client.post(event);
    if (!answer.isAccepted()) {
      throw new InvalidInput("webhook " + what + ": " + answer.failure());
    }
    spec.commandLine().getOut().println(what + ": status " + answer.status());
  }

  private static String of(ReleaseEvent event) {
    return event.release() == 0 ? "" : " release " + event.release();
  }
}
