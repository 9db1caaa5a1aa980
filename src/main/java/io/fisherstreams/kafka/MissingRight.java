package io.fisherstreams.kafka;

import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;

/** Names the right that a client lacks: the operation, the resource and the client's principal. */
public final class MissingRight {
  // of PLAIN's and SCRAM's login modules
  private static final Pattern USER = Pattern.compile("\\busername\\s*=\\s*\"?([^\";\\s]+)");

  private MissingRight() {}

  /** The brokers' answer that a client may not do something, among a failure's causes. */
  public static Optional<AuthorizationException> find(Throwable failure) {
    return FailureCause.chain(failure).stream()
        .filter(AuthorizationException.class::isInstance)
        .map(AuthorizationException.class::cast)
        .findFirst();
  }

  /** Operation and resource in words; empty for another failure. */
  public static Optional<String> text(Throwable failure) {
    return find(failure).map(denied -> text(failure, denied));
  }

  private static String text(Throwable failure, AuthorizationException denied) {
    if (denied instanceof TopicAuthorizationException topic
        && !topic.unauthorizedTopics().isEmpty()) {
      return missing(
          isIn(failure, "Producer") ? "WRITE" : "READ",
          "topic " + String.join(", ", new TreeSet<>(topic.unauthorizedTopics())));
    }
    if (isIn(failure, "StreamsPartitionAssignor")) {
      return missing("DESCRIBE, DESCRIBE_CONFIGS or CREATE", "the stage's changelog topics");
    }
    if (denied instanceof GroupAuthorizationException group && group.groupId() != null) {
      return missing("READ", "group " + group.groupId());
    }
    if (denied instanceof TransactionalIdAuthorizationException) {
      return missing("WRITE", "the transactional ids that begin with the stage's group");
    }
    if (denied instanceof ClusterAuthorizationException) {
      return missing("IDEMPOTENT_WRITE", "the cluster, or WRITE on a topic,");
    }
    return "a right is missing: " + denied.getMessage();
  }

  private static String missing(String operation, String resource) {
    return "the right " + operation + " on " + resource + " is missing";
  }

  /** Kafka does not say which operation was rejected: the code that asked for it does. */
  private static boolean isIn(Throwable failure, String code) {
    return FailureCause.chain(failure).stream()
        .flatMap(cause -> Arrays.stream(cause.getStackTrace()))
        .anyMatch(frame -> frame.getClassName().contains(code));
  }

  /**
   * As whom a client with these settings is known to the brokers, as far as the settings tell.
   *
   * @param client Kafka client settings
   */
  public static String principal(Map<String, ?> client) {
    String protocol = String.valueOf(client.get("security.protocol"));
    if (protocol.startsWith("SASL")) {
      Matcher user = USER.matcher(String.valueOf(client.get("sasl.jaas.config")));
      return user.find() && !user.group(1).contains("$")
          ? "User:" + user.group(1)
          : "the principal of its credentials";
    }
    return protocol.equals("SSL") && client.containsKey("ssl.keystore.location")
        ? "the principal of its TLS certificate"
        : "User:ANONYMOUS";
  }
}
