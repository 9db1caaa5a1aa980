package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.state.FoldedBatches;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * What the classes of one partition's task share.
 *
 * @param ledger the state of models and shards
 * @param folded the store of folded gradient batches, of each {@link OpenEpoch}
 * @param local which of the payloads are kept in local files
 * @param payloads the local payload files
 * @param recovery restores payloads from the topics
 * @param sums sums the batches of open epochs
 * @param kept the sums over models that are kept
 * @param scratch converts the payload of the current gradient batch
 * @param outbox where records are sent
 */
record PartitionContext(
    Ledger ledger,
    KeyValueStore<String, FoldedBatches> folded,
    LocalPayloads local,
    PartitionPayloads payloads,
    Recovery recovery,
    EpochSums sums,
    KeptSums kept,
    BatchPayload scratch,
    Outbox outbox) {}
