package io.fisherstreams;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SecretsTest {
  @ParameterizedTest
  @CsvSource({
    "http://u:pw1234@host:81/x failed, http://***@host:81/x failed",
    "https://token@host, https://***@host",
    "GET http://host/a?access_token=abc&b=1, GET http://host/a?access_token=***&b=1",
    "nothing to hide: a@b.c, nothing to hide: a@b.c",
  })
  void masksUsersAndTokensOfUrls(String text, String masked) {
    assertThat(Secrets.mask(text)).isEqualTo(masked);
  }

  @Test
  void masksTheValuesOfSecretSettings() {
    Secrets.hideIfSecret(
        "sasl.jaas.config",
        "x.PlainLoginModule required username=\"jaas-user\" password=\"jaas-pass-77\";");
    Secrets.hideIfSecret("basic.auth.user.info", "registry-user:reg-pass");
    Secrets.hideIfSecret("ssl.key.password", "key-pass-1");
    Secrets.hideIfSecret("basic.auth.credentials.source", "USER_INFO");
    assertThat(Secrets.mask("a jaas-pass-77 b reg-pass c key-pass-1 d USER_INFO"))
        .isEqualTo("a *** b *** c *** d USER_INFO");
  }
}
