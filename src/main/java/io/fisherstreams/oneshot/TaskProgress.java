package io.fisherstreams.oneshot;

/**
 * The progress of one task. {@link #total} is called once, before {@link #add}; {@link #close} ends
 * the task whether it succeeded or not.
 */
public interface TaskProgress extends AutoCloseable {
  /** Ignores all progress. */
  TaskProgress NONE =
      new TaskProgress() {
        @Override
        public void total(long amount) {}

        @Override
        public void add(long more) {}

        @Override
        public void upTo(long done, long total) {}

        @Override
        public void done() {}

        @Override
        public void close() {}
      };

  /** Starts the task, whose amount is known now. */
  void total(long amount);

  /** Adds to what is done. Several threads may call it. */
  void add(long more);

  /**
   * Raises what is done to {@code done}. Starts the task if {@link #total} was not called.
   *
   * @param total the whole amount
   */
  void upTo(long done, long total);

  /** The task succeeded. */
  void done();

  @Override
  void close();
}
