package io.fisherstreams.simulate;

/**
 * What one stage did for one arrival.
 *
 * @param models models in the pool, the one that arrived included
 * @param seconds time in the stage's processor
 * @param received records that it took
 * @param sent records that it sent
 * @param sentBytes their bytes
 * @param changelogBytes bytes that its stores' changelogs got
 */
record Row(
    int models, double seconds, long received, long sent, long sentBytes, long changelogBytes) {}
