package io.fisherstreams.faults;

import io.fisherstreams.files.FileTree;
import java.io.IOException;

/**
 * Instances lose what they keep on disk: one its whole folder, one its payload files, the
 * coordinator its stores.
 */
record StateIsDeleted() implements Fault {
  @Override
  public String name() {
    return "state and payload directories deleted between stop and start";
  }

  @Override
  public void begin(FaultedPool pool) throws IOException {
    pool.merge(1).stop();
    FileTree.delete(pool.merge(1).stateDirectory());
    pool.merge(1).start();
  }

  @Override
  public void amid(FaultedPool pool) throws IOException {
    pool.merge(2).stop();
    FileTree.delete(pool.merge(2).stateDirectory().resolve("payloads"));
    pool.merge(2).start();
    pool.coordinator().stop();
    FileTree.delete(pool.coordinator().stateDirectory());
  }

  @Override
  public void end(FaultedPool pool) {
    pool.coordinator().start();
  }
}
