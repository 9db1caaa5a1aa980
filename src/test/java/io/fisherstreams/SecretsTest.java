package io.fisherstreams;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SecretsTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "http://u:pw1234@host:81/x failed | http://***@host:81/x failed",
        "https://token@host | https://***@host",
        "http://u:p@ss@host/x | http://***@host/x",
        "http://u:pa/ss@host/x | http://***@host/x",
        "http://u:one@h1:1,http://u:two@h2:2/x | http://***@h1:1,http://***@h2:2/x",
        "http://host:8081/mail@x | http://host:8081/mail@x",
        "GET http://host/a?access_token=abc&b=1 | GET http://host/a?access_token=***&b=1",
        "http://h/a?X-Amz-Signature=ab%2Fcd&x=1 | http://h/a?X-Amz-Signature=***&x=1",
        "http://h/a?b=1&passwd=abc | http://h/a?b=1&passwd=***",
        "Authorization: Basic dTpw, next | Authorization: Basic ***, next",
        "{Authorization=[Bearer abc.def]} | {Authorization=[Bearer ***]}",
        "the authorization: denied | the authorization: denied",
        "nothing to hide: a@b.c | nothing to hide: a@b.c",
      })
  void masksUsersTokensAndHeaders(String text, String masked) {
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
    Secrets.hideIfSecret("sasl.oauthbearer.token.endpoint.url", "https://login/oauth");
    assertThat(
            Secrets.mask("a jaas-pass-77 b reg-pass c key-pass-1 d USER_INFO https://login/oauth"))
        .isEqualTo("a *** b *** c *** d USER_INFO https://login/oauth");
    // registry-user:reg-pass in base64
    assertThat(Secrets.mask("Basic cmVnaXN0cnktdXNlcjpyZWctcGFzcw==")).isEqualTo("Basic ***==");
  }

  @Test
  void masksAnyOptionOfALoginModuleThatIsASecret() {
    Secrets.hideIfSecret(
        "sasl.jaas.config",
        "x.OAuthBearerLoginModule required clientSecret='oauth one' apiKey=plain-two; y.Z required"
            + " password=\"quo\\\"ted three\" tokenauth=true;");
    assertThat(Secrets.mask("oauth one, plain-two, quo\"ted three, quo\\\"ted three, true"))
        .isEqualTo("***, ***, ***, ***, true");
  }

  @Test
  void masksTheWholeOfASecretThatBeginsWithAnother() {
    Secrets.hide("first-part");
    Secrets.hide("first-part-and-more");
    assertThat(Secrets.mask("first-part-and-more first-part")).isEqualTo("*** ***");
  }

  @Test
  void masksASecretAsAUrlHasIt() {
    Secrets.hide("a b/c+d%");
    assertThat(Secrets.mask("http://h/?x=a+b%2Fc%2Bd%25")).isEqualTo("http://h/?x=***");
    Secrets.hideUserOf(URI.create("http://u:p%40ss%2Fword@host"));
    assertThat(Secrets.mask("p@ss/word p%40ss%2Fword u:p@ss/word")).isEqualTo("*** *** ***");
  }

  @Test
  void masksEachLineOfAKey() {
    Secrets.hideIfSecret(
        "ssl.keystore.key",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END PRIVATE KEY-----");
    assertThat(Secrets.mask("key MIIEvQIBADANBgkqhkiG9w0B")).isEqualTo("key ***");
  }

  @Test
  void masksTheAddressOfAWebhook() {
    Secrets.hideAddress(
        URI.create("https://hooks.example.org/services/T01234567/abcdefghijklmnopqrst?v=qqqq1"));
    assertThat(
            Secrets.mask(
                "POST https://hooks.example.org/services/T01234567/abcdefghijklmnopqrst?v=qqqq1"))
        .isEqualTo("POST https://hooks.example.org/***");
    assertThat(Secrets.mask("abcdefghijklmnopqrst T01234567 services qqqq1"))
        .isEqualTo("*** *** services ***");
    Secrets.hideAddress(URI.create("http://localhost:8080/releases"));
    assertThat(Secrets.mask("the releases of /releases")).isEqualTo("the releases of /releases");
  }
}
