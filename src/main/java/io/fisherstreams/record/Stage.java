package io.fisherstreams.record;

import java.util.Locale;

/** The stages of a pool, by the one name that each has everywhere. */
public enum Stage {
  /** Turns examples into gradient batches. */
  GRADIENT,
  /** Keeps the models' shards and merges them. */
  MERGE,
  /** Plans merges, completes releases and moves aliases. */
  COORDINATOR,
  /** Measures releases and judges them. */
  GATE,
  /** Posts releases and aliases to webhooks. */
  WEBHOOKS,
  /** Answers HTTP requests about the pool. It has no consumer group. */
  API;

  private static final String WEBHOOK = "webhook-";

  /**
   * The stage's name in {@code run --stages}, in the headers of dead letters, in state directories
   * and in messages: the constant's name in lower case.
   */
  public String text() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** {@link #text()}: the help of {@code run} lists the stages as users write them. */
  @Override
  public String toString() {
    return text();
  }

  /**
   * The consumer group of the stage in a pool, which is also its Kafka Streams application id:
   * {@code pool-merge}. The webhooks have {@linkplain #webhookGroup a group each} instead.
   */
  public String group(String pool) {
    return pool + "-" + text();
  }

  /** The name of one webhook in {@code status} and in logs: {@code webhook-name}. */
  public static String webhook(String hook) {
    return WEBHOOK + hook;
  }

  /** The consumer group of one webhook in a pool: {@code pool-webhook-name}. */
  public static String webhookGroup(String pool, String hook) {
    return pool + "-" + webhook(hook);
  }

  /**
   * Whether a consumer group has a name that the stage gives its groups in a pool. A group of
   * another pool can have such a name too, where that pool's name begins with {@code
   * pool-webhook-}.
   */
  public boolean isGroup(String pool, String group) {
    return this == WEBHOOKS ? group.startsWith(webhookGroup(pool, "")) : group.equals(group(pool));
  }
}
