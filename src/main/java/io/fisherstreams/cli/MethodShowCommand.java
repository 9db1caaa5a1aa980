package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.output.MethodText;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "show",
    mixinStandardHelpOptions = true,
    description = "Shows the pool's merge method and its settings.")
final class MethodShowCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    try (PoolModels models = PoolModels.open(connection.kafka(), connection.topics())) {
      MergeMethod method = models.requireBase().getMethod();
      PrintWriter out = spec.commandLine().getOut();
      out.println("method " + MethodText.of(MergeMethods.formula(method)));
      out.println("excluded " + String.join(", ", method.getExcludeParamNamesRegex()));
      out.println(
          "output dtype "
              + (method.getOutputDtype() == null ? "the base's" : method.getOutputDtype()));
      out.println(
          "unchanged parameters " + MergeMethods.unchanged(method.getUnchangedParameters()));
      out.println("groups of parameters " + MethodText.groups(method));
      out.flush();
    }
    return 0;
  }
}
