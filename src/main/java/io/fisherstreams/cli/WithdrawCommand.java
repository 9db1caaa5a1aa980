package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.ReleaseWait;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.PoolChanges;
import io.fisherstreams.record.PoolTopics;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "withdraw",
    mixinStandardHelpOptions = true,
    description =
        "Removes a model from the pool. The next release is bit-identical to one made without it.")
final class WithdrawCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Mixin private ReleaseWait release;

  @Parameters(paramLabel = "MODEL", description = "The model's name.")
  private String model;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    new PoolChanges(kafka, topics).withdraw(model);
    PrintWriter out = spec.commandLine().getOut();
    out.println("withdrew " + model);
    release.forWithdrawal(kafka, topics, model, out);
    return 0;
  }
}
