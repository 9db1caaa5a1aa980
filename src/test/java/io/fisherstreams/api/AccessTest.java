package io.fisherstreams.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AccessTest {
  private static final long SECOND = 1_000_000_000;

  @TempDir private Path directory;

  private static ApiOptions options(Optional<Path> token) {
    return new ApiOptions(
        "127.0.0.1", 0, token, List.of("fisher.example.org"), List.of(), 10, 1, 1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "127.0.0.1",
        "127.0.0.1:8080",
        "[::1]:8080",
        "10.1.2.3",
        "localhost",
        "LocalHost:80",
        "fisher.example.org",
        "Fisher.Example.org:8443"
      })
  void addressesAndConfiguredNamesAreItsOwn(String host) {
    assertThat(new Access(options(Optional.empty())).isOwnHost(host)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "evil.example.org",
        "localhost.evil.example.org",
        "127.0.0.1.evil.example.org",
        "xfisher.example.org",
        "a b",
        "localhost:80:80"
      })
  void otherNamesAreNot(String host) {
    assertThat(new Access(options(Optional.empty())).isOwnHost(host)).isFalse();
  }

  @Test
  void aClientMaySendTwiceItsRateAtOnceAndThenItsRate() throws IOException {
    Access access = new Access(options(Optional.empty()));
    InetAddress one = InetAddress.getByAddress(new byte[] {10, 0, 0, 1});
    InetAddress other = InetAddress.getByAddress(new byte[] {10, 0, 0, 2});
    for (int i = 0; i < 20; i++) {
      assertThat(access.isWithinRate(one, 0)).isTrue();
    }
    assertThat(access.isWithinRate(one, 0)).isFalse();
    assertThat(access.isWithinRate(other, 0)).isTrue();
    assertThat(access.isWithinRate(one, SECOND / 10)).isTrue();
    assertThat(access.isWithinRate(one, SECOND / 10)).isFalse();
    for (int i = 0; i < 20; i++) {
      assertThat(access.isWithinRate(one, 100 * SECOND)).isTrue();
    }
    assertThat(access.isWithinRate(one, 100 * SECOND)).isFalse();
  }

  @Test
  void aShortOrMissingTokenIsRejectedWithoutItsText() throws IOException {
    Path file = Files.writeString(directory.resolve("token"), "tooshort");
    assertThatThrownBy(() -> options(Optional.of(file)).token())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("8 characters, expected at least 16")
        .hasMessageNotContaining("tooshort");
    assertThatThrownBy(() -> options(Optional.of(directory.resolve("none"))).token())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("there is no such file");
    Files.writeString(file, "0123456789abcdef\n");
    assertThat(options(Optional.of(file)).token()).contains("0123456789abcdef");
  }
}
