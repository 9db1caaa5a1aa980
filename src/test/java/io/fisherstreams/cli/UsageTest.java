package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.ManifestRules;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import org.apache.kafka.common.KafkaException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class UsageTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "mrege merge.yaml",
        "merge",
        "fisher --model m --examples e --output o --estimator exakt",
        "publish checkpoint m --model m --estimator exakt",
        "publish fisher f",
        "publish fisher f --model m --num-examples 0",
        "publish checkpoint c --model m --coefficient -Infinity",
        "publish checkpoint c --model m --coefficient NaN",
        "publish checkpoint c --model m --base --minimal-fisher-weight 1e300",
        "weight m 1e-40",
        "weight m much",
        "weight m 1 --timeout 5m",
        "withdraw m --wait --timeout soon",
        "merge m.yaml --output o --partitions 0",
        "merge m.yaml --output o --threads 1.5",
        "merge m.yaml --output o --out-shard-size abc",
        "merge m.yaml --output o --dtype int8",
        "merge m.yaml --output o --kernel cuda",
        "fisher --model m --examples e --output o --num-examples 0",
        "fisher --model m --examples e --output o --batch-size -1",
        "evaluate --model m --examples e --batch-size 9999999999",
        "topics create --partitions 0",
        "fisher --model m --examples e --output o --device cuda",
        "run --all --device gpu",
        "merge m.yaml --output o --compute-dtype float16",
        "bench --only gradient --device gpu:x",
        "bench --only KERNAL"
      })
  void wrongUsageExitsWith2(String commandLine) {
    assertThat(Main.run(commandLine.split(" "))).isEqualTo(2);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "mrege m.yaml | fisher-streams --help",
        "merge | fisher-streams merge --help",
        "topics create --partitions 0 | fisher-streams topics create --help",
        "bench --only KERNAL | fisher-streams bench --help"
      })
  void wrongUsageNamesTheHelpInsteadOfPrintingIt(String commandLine, String help) {
    StringWriter err = new StringWriter();
    Main.commandLine().setErr(new PrintWriter(err)).execute(commandLine.split(" "));
    assertThat(err.toString())
        .startsWith("fisher-streams: ")
        .endsWith("see " + help + System.lineSeparator())
        .doesNotContain("Usage:");
    assertThat(err.toString().lines()).hasSizeLessThanOrEqualTo(3);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "fisher --model m --examples e -o o --samples 3 | --samples is for --estimator sampled",
        "fisher --model m --examples e -o o --estimator empirical --seed 1 | --seed is for --estimator",
        "fisher --model m --examples e -o o --estimator sampled --seed 1.5 | expected a whole number, found '1.5'",
        "publish checkpoint m --model m --decay x | expected a number, found 'x'",
        "publish checkpoint m --model m --base --group-coefficient early=1 | --group-coefficient, --num-examples",
        "publish checkpoint m --model m --group-coefficient early=1 --group-coefficient early=2 | --group-coefficient gives the group 'early' twice",
        "publish checkpoint m --model m --group-coefficient early | expected GROUP=LAMBDA, found 'early'",
        "publish checkpoint m --model m --group-coefficient early=x | expected a number, found 'x'",
        "publish checkpoint m --model m --group-coefficient early=NaN | it is NaN, expected a finite number",
        "publish checkpoint m --model m --group-coefficient =1 | group '': expected a name",
        "publish checkpoint m --model m --base --group early | expected NAME=REGEX, found 'early'",
        "method set fisher --group early=a --group early=b | two groups are named 'early'",
        "publish checkpoint m --model m --base --coefficient 1 | are for a fine-tuned model",
        "publish checkpoint m --model m --base --prior 1 | fisher has no --prior",
        "publish checkpoint m --model m --base --method gradient_matching --minimal-fisher-weight 1 | gradient_matching has no --minimal-fisher-weight",
        "publish checkpoint m --model m --base --relative-fisher-weight 1 --no-normalize | --relative-fisher-weight replaces --no-normalize",
        "method set fishr | the method is 'fishr', expected one of fisher, gradient_matching, task_arithmetic",
        "method set task_arithmetic --fisher-exponent 1 | task_arithmetic has no --fisher-exponent",
        "method set gradient_matching --prior 0 | --prior is 0.0, expected a number above 0",
        "method set fisher --scale -1 | Invalid value for option '--scale'",
        "merge m.yaml -o o.safetensors --out-shard-size 1GB | --out-shard-size is for an output folder",
        "merge m.yaml -o o.safetensors --trust-remote-code | --trust-remote-code is for an output folder",
        "merge m.yaml -o o --pool p | --pool is for a pool that is running",
        "merge m.yaml -o o --schema-registry http://h | also give --bootstrap-servers",
        "evaluate m.yaml --pool p | --pool is for a pool that is running",
        "evaluate --model m --examples e --pool p | --pool is for a cluster",
        "evaluate --model m --examples e --work-directory w | --work-directory is for a MERGE.YAML",
        "evaluate m.yaml --model m --examples e | give MERGE.YAML or --model",
        "evaluate m.yaml --model m | give MERGE.YAML or --model",
        "evaluate m.yaml --examples e | give MERGE.YAML or --model",
        "evaluate m.yaml --folder f | give MERGE.YAML or --model",
        "evaluate --examples e | --model is missing",
        "evaluate --head h --model m | --examples is missing",
        "evaluate | give MERGE.YAML, or --model and --examples",
        "export -o o.safetensors --out-shard-size 1GB | --out-shard-size is for an output folder",
        "export -o o --trust-remote-code | --trust-remote-code is for --base-folder",
      })
  void optionsThatWouldBeIgnoredAreWrongUsage(String commandLine, String message) {
    StringWriter err = new StringWriter();
    int exit = Main.commandLine().setErr(new PrintWriter(err)).execute(commandLine.split(" "));
    assertThat(err.toString()).contains(message);
    assertThat(exit).isEqualTo(2);
    assertThat(err.toString().lines()).hasSizeLessThanOrEqualTo(3);
  }

  @Test
  void theHelpListsStagesAndPartsAsUsersWriteThem() {
    assertThat(help("run")).contains("gradient, merge,").doesNotContain("MERGE");
    assertThat(help("bench")).contains("kernel, start_up,").doesNotContain("KERNEL");
  }

  @Test
  void theHelpShowsTheDefaultThatTheMergeUses() {
    String words = help("publish", "checkpoint").replaceAll("\\s+", " ");
    String shown = words.replaceAll(".*every entry of every Fisher. Default: (\\S+)\\. .*", "$1");
    assertThat(Double.parseDouble(shown)).isEqualTo(ManifestRules.DEFAULT_MINIMAL_FISHER_WEIGHT);
  }

  private static String help(String... command) {
    CommandLine line = Main.commandLine();
    for (String name : command) {
      line = line.getSubcommands().get(name);
    }
    return line.getUsageMessage(CommandLine.Help.Ansi.OFF);
  }

  @Test
  void aMissingFileIsAFailureNotWrongUsage() {
    assertThat(Main.run("merge", "absent.yaml", "--output", "absent.safetensors")).isEqualTo(1);
  }

  @Test
  void aFailureIsDescribedWithoutTheClassOfItsException() {
    assertThat(Main.describe(new NoSuchFileException("a.yaml")))
        .isEqualTo("a.yaml: there is no such file");
    assertThat(
            Main.describe(
                new UncheckedIOException("cannot remove a", new AccessDeniedException("a"))))
        .isEqualTo("cannot remove a: permission denied");
    assertThat(Main.describe(new KafkaException("the broker is gone")))
        .isEqualTo("the broker is gone");
    assertThat(Main.describe(new IllegalStateException()))
        .startsWith("unexpected failure;")
        .doesNotContain("Exception");
  }
}
