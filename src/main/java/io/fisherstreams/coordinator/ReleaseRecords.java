package io.fisherstreams.coordinator;

import io.fisherstreams.record.Release;
import org.apache.kafka.streams.state.KeyValueStore;

/** The records of the releases whose tensors are kept. */
interface ReleaseRecords {
  /** The record of a kept release. */
  Release get(long release);

  /** Adds a record, or replaces it. */
  void put(Release record);

  /** Removes a record. */
  void delete(long release);

  /** Records in a state store, under the release's id as text. */
  static ReleaseRecords in(KeyValueStore<String, Release> store) {
    return new ReleaseRecords() {
      @Override
      public Release get(long release) {
        return store.get(Long.toString(release));
      }

      @Override
      public void put(Release record) {
        store.put(Long.toString(record.getRelease()), record);
      }

      @Override
      public void delete(long release) {
        store.delete(Long.toString(release));
      }
    };
  }
}
