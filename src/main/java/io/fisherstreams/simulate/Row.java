package io.fisherstreams.simulate;

/**
 * The cost of one arrival for one stage.
 *
 * @param models models in the pool, including the one that arrived
 * @param seconds time in the stage's processor
 * @param received records that the stage received
 * @param sent records that the stage sent
 * @param sentBytes bytes of the sent records
 * @param changelogBytes bytes that were written to the changelogs of its stores
 */
record Row(
    int models, double seconds, long received, long sent, long sentBytes, long changelogBytes) {}
