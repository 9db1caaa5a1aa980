package io.fisherstreams.view;

import io.fisherstreams.coordinator.PoolReading;
import io.fisherstreams.coordinator.PoolStatus;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.Role;
import java.util.OptionalLong;

/**
 * A pool at a glance.
 *
 * @param name the pool's name
 * @param partitions of the sharded topics
 * @param base the base's name; empty when there is none
 * @param baseVersion its newest version
 * @param waiting whether a version waits for records, for its Fisher or for the base
 * @param models fine-tuned models
 * @param newestRelease the newest complete one
 * @param deadLetters dead letters that were counted
 * @param traffic stages and topics
 */
public record PoolSummary(
    String name,
    int partitions,
    String base,
    OptionalLong baseVersion,
    boolean waiting,
    int models,
    OptionalLong newestRelease,
    long deadLetters,
    PoolTraffic traffic) {
  /** What a reading says, with the traffic at that time. */
  public static PoolSummary of(PoolTopics topics, PoolReading reading, PoolTraffic traffic) {
    PoolStatus status = reading.status();
    String base = status.view().base().orElse("");
    int models =
        (int)
            status.view().models().values().stream()
                .filter(v -> v.lastEntry().getValue().manifest().getRole() != Role.BASE)
                .count();
    return new PoolSummary(
        topics.pool(),
        status.partitions(),
        base,
        base.isEmpty()
            ? OptionalLong.empty()
            : OptionalLong.of(status.view().models().get(base).lastKey()),
        status.isWaiting(),
        models,
        reading.newestRelease().stream().mapToLong(Release::getRelease).findFirst(),
        reading.deadLetterCount(),
        traffic);
  }
}
