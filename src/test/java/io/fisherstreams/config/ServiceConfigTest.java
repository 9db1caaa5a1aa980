package io.fisherstreams.config;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ServiceConfigTest {
  private static final String TASK = "tasks: [{name: t, model: m, examples: e.safetensors}]";
  private static final String URL = "url: 'https://example.org/x', ";

  @TempDir private Path directory;

  private void assertRejected(String yaml, String... words) throws IOException {
    Path file = Files.writeString(directory.resolve("pool.yaml"), yaml + "\n");
    assertThatThrownBy(() -> ServiceConfig.read(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("pool.yaml, line 1")
        .hasMessageContainingAll(words);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ftp://example.org/x",
        "file:///etc/passwd",
        "https://user:word@example.org/x",
        "example.org/x",
        "https:///x",
        "http://a b/"
      })
  void aWebhooksUrlIsHttpWithoutUser(String url) throws IOException {
    assertRejected(
        "webhooks: [{name: a, secret_env: S, url: '" + url + "'}]", "webhooks[0].url", "http");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "name: 'a/b', secret_env: S | webhooks[0].name",
        "name: a | secret_env and secret_file",
        "name: a, secret_env: S, secret_file: f | secret_env and secret_file",
        "name: a, secret_env: S, secret: clear | unknown key",
        "name: a, secret_env: S, first_wait_millis: 9, longest_wait_millis: 8 | at least 9"
      })
  void aWebhookIsRejectedWithItsKey(String keys, String words) throws IOException {
    assertRejected("webhooks: [{" + URL + keys + "}]", words);
  }

  @Test
  void anUnknownKernelIsRejectedWithTheKnownOnes() throws IOException {
    assertRejected("merge: {kernel: cuda}", "merge.kernel", "'cuda'", "auto, java or nd4j");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "alias: a | gate.tasks: expected at least one",
        "alias: a, tasks: [] | gate.tasks: expected at least one",
        "{TASK} | gate.alias: the key is missing",
        "alias: 3rd, {TASK} | gate.alias: alias '3rd' is not 1 to 100 letters",
        "alias: a, largest_drop: 1.5, {TASK} | gate.largest_drop: is 1.5",
        "alias: a, tasks: [{name: t, model: m}] | gate.tasks[0].examples: the key is missing"
      })
  void aGateIsRejectedWithItsKey(String keys, String words) throws IOException {
    assertRejected("gate: {" + keys.replace("{TASK}", TASK) + "}", words);
  }

  @ParameterizedTest
  @ValueSource(strings = {"0.5", "1.01", "0"})
  void aLargestShareIsMoreThanHalf(String value) throws IOException {
    assertRejected(
        "coordinator: {largest_share: " + value + "}",
        "coordinator.largest_share: is "
            + Double.parseDouble(value)
            + ", expected a number above 0.5, at most 1");
  }

  @ParameterizedTest
  @ValueSource(strings = {"none", "RECENT", "16"})
  void localPayloadsAreAllOrRecent(String value) throws IOException {
    assertRejected(
        "merge: {local_payloads: '" + value + "'}",
        "merge.local_payloads",
        "is '" + value + "', expected all or recent");
  }

  @ParameterizedTest
  @ValueSource(strings = {"gate: {alias: a, tasks: [T, T]}", "webhooks: [H, H]"})
  void aNameStandsOnce(String yaml) throws IOException {
    assertRejected(
        yaml.replace("T", "{name: x, model: m, examples: e}")
            .replace("H", "{name: x, " + URL + "secret_env: S}"),
        "duplicate name 'x'");
  }
}
