package io.fisherstreams.kafka;

import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.RocksDB;
import org.rocksdb.WriteBufferManager;

/** The native memory that all stores of a process share; close it after the last store. */
public final class RocksDbMemory implements AutoCloseable {
  private static final long BYTES = 96L << 20;
  private static final long WRITE_BUFFER_BYTES = 48L << 20;

  static {
    RocksDB.loadLibrary();
  }

  private final Cache cache = new LRUCache(BYTES);
  private final WriteBufferManager writeBuffers = new WriteBufferManager(WRITE_BUFFER_BYTES, cache);

  Cache cache() {
    return cache;
  }

  WriteBufferManager writeBuffers() {
    return writeBuffers;
  }

  @Override
  public void close() {
    writeBuffers.close();
    cache.close();
  }
}
