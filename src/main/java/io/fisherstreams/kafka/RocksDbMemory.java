package io.fisherstreams.kafka;

import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.Stage;
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

  private boolean closed;

  /** The memory of one stage of this process. */
  public RocksDbMemory(Stage stage) {
    Meter.ROCKSDB_MEMORY.gauge(this::usedBytes, stage.text());
  }

  /** Block cache and write buffers, which are counted in it. */
  private synchronized double usedBytes() {
    return closed ? 0 : cache.getUsage();
  }

  Cache cache() {
    return cache;
  }

  WriteBufferManager writeBuffers() {
    return writeBuffers;
  }

  @Override
  public synchronized void close() {
    closed = true;
    writeBuffers.close();
    cache.close();
  }
}
