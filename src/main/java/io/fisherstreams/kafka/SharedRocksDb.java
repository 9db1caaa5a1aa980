package io.fisherstreams.kafka;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.internals.BlockBasedTableConfigWithAccessibleCache;
import org.rocksdb.Cache;
import org.rocksdb.Options;

/**
 * Makes every store use the process's {@link RocksDbMemory}: the default is 98 MiB a store and
 * partition.
 */
public final class SharedRocksDb implements RocksDBConfigSetter {
  /** Configuration key that holds the {@link RocksDbMemory}. */
  public static final String MEMORY = "fisherstreams.rocksdb.memory";

  @Override
  @SuppressWarnings("try") // the block frees the cache that it replaces
  public void setConfig(String storeName, Options options, Map<String, Object> configs) {
    RocksDbMemory memory = (RocksDbMemory) configs.get(MEMORY);
    // Kafka Streams' own class: only it hands out the cache that is replaced, which nobody else
    // would free.
    BlockBasedTableConfigWithAccessibleCache table =
        (BlockBasedTableConfigWithAccessibleCache) options.tableFormatConfig();
    try (Cache replaced = table.blockCache()) {
      table.setBlockCache(memory.cache());
    }
    table.setCacheIndexAndFilterBlocks(true);
    options.setTableFormatConfig(table);
    options.setWriteBufferManager(memory.writeBuffers());
    options.setWriteBufferSize(4L << 20);
    options.setMaxWriteBufferNumber(2);
  }

  @Override
  public void close(String storeName, Options options) {
    // the memory belongs to the process, not to the store
  }
}
