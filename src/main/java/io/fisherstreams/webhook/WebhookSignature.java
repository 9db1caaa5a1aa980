package io.fisherstreams.webhook;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.Base64;
import java.util.List;
import java.util.stream.Collectors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The header {@code webhook-signature} of Standard Webhooks: {@code v1,<base64>} of an HMAC-SHA256
 * (RFC 2104) over the bytes {@code <id>.<seconds>.<body>}. While a secret is replaced by another,
 * the header has a signature for each, separated by spaces.
 */
final class WebhookSignature {
  private WebhookSignature() {}

  static String of(List<byte[]> secrets, String id, long seconds, byte[] body) {
    byte[] start = (id + "." + seconds + ".").getBytes(StandardCharsets.UTF_8);
    return secrets.stream()
        .map(secret -> "v1," + Base64.getEncoder().encodeToString(hmac(secret, start, body)))
        .collect(Collectors.joining(" "));
  }

  private static byte[] hmac(byte[] secret, byte[] start, byte[] body) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(secret, "HmacSHA256"));
      mac.update(start);
      return mac.doFinal(body);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e); // every Java has HmacSHA256
    }
  }
}
