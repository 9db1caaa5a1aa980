package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ClientSettingsTest {
  @TempDir private Path directory;

  private ClientSettings read(String text) throws IOException {
    Path file = directory.resolve("client.properties");
    Files.writeString(file, text);
    return ClientSettings.read(file);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "group.id=mine",
        "auto.offset.reset=latest",
        "consumer.auto.offset.reset=latest",
        "main.consumer.group.id=mine",
        "enable.auto.commit=true",
        "isolation.level=read_uncommitted",
        "transactional.id=mine",
        "producer.transactional.id=mine",
        "acks=1",
        "enable.idempotence=false",
        "retries=0",
        "key.serializer=x.Y",
        "value.deserializer=x.Y",
        "processing.guarantee=at_least_once",
        "num.stream.threads=4",
        "state.dir=/tmp/elsewhere",
        "application.id=mine",
        "producer.bootstrap.servers=other:9092",
        "max.request.size=1048576",
        "interceptor.classes=io.confluent.Missing",
      })
  void rejectsByNameWhatTheProgramOwns(String line) {
    String name = line.substring(0, line.indexOf('='));
    assertThatThrownBy(() -> read("client.id=a\n" + line + "\n"))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("client.properties: " + name);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "client.id=a",
        "session.timeout.ms=45000",
        "max.poll.records=1",
        "compression.type=zstd",
        "acks=all",
        "acks=-1",
        "isolation.level=read_committed",
        "delivery.timeout.ms=120000",
        "default.replication.factor=3",
        "use.latest.version=true",
      })
  void takesWhatWorks(String line) throws IOException {
    String name = line.substring(0, line.indexOf('='));
    assertThat(read(line).values()).containsEntry(name, line.substring(line.indexOf('=') + 1));
  }

  @Test
  void readsAddressesApartAndSkipsAByteOrderMark() throws IOException {
    ClientSettings settings = read("\ufeffbootstrap.servers=a:1\nschema.registry.url=http://b\n");
    assertThat(settings.bootstrapServers()).contains("a:1");
    assertThat(settings.schemaRegistry()).contains("http://b");
    assertThat(settings.values()).isEmpty();
  }

  @Test
  void theDocumentListsWhatTheProgramOwns() throws IOException {
    String page = Files.readString(Path.of("docs/configuration.md"));
    String section = page.substring(page.indexOf("### Settings that belong to the program"));
    String list = section.split("\n\n")[1];
    assertThat(list.replace("`", "").split(",\\s+"))
        .containsExactlyElementsOf(ClientSettings.OWNED.keySet());
  }

  @Test
  void putsInWhatConfigProvidersGive() throws IOException {
    Files.writeString(directory.resolve("s.properties"), "password=geheim\n");
    String providers =
        "config.providers=file\nconfig.providers.file.class="
            + "org.apache.kafka.common.config.provider.FileConfigProvider\n";
    String path = directory.resolve("s.properties").toString();
    assertThat(read(providers + "ssl.key.password=${file:" + path + ":password}\n").values())
        .isEqualTo(Map.of("ssl.key.password", "geheim"));
    assertThatThrownBy(() -> read(providers + "ssl.key.password=${file:" + path + ":absent}\n"))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("ssl.key.password: config provider 'file' has no value for ${file:");
  }
}
