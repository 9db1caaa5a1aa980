package io.fisherstreams.kafka;

import java.nio.file.Path;

/**
 * How one instance of a stage runs.
 *
 * @param stateDirectory the instance's own folder
 * @param threads stream threads
 * @param standbys standby replicas of the stage's stores
 * @param replication replication factor of the stage's changelogs; -1 for the brokers' default
 */
public record StreamsOptions(Path stateDirectory, int threads, int standbys, int replication) {
  /** A single instance without standby replicas. */
  public static StreamsOptions local(Path stateDirectory, int threads) {
    return new StreamsOptions(stateDirectory, threads, 0, -1);
  }
}
