package io.fisherstreams.oneshot;

/** Is notified of a one-shot merge's tasks and warnings. */
public interface MergeListener {
  /** What a task counts. */
  enum Unit {
    BYTES,
    EXAMPLES
  }

  /** Ignores everything. */
  MergeListener NONE =
      new MergeListener() {
        @Override
        public TaskProgress begin(String task, Unit unit) {
          return TaskProgress.NONE;
        }

        @Override
        public void warn(String message) {}

        @Override
        public void note(String message) {}
      };

  /**
   * A task begins. The merge closes the progress when the task ends.
   *
   * @param task its name for people, such as {@code stream model-a}
   */
  TaskProgress begin(String task, Unit unit);

  /** Something that does not stop the merge, but that the user must know. */
  void warn(String message);

  /** What was done with the user's files, in one line. */
  void note(String message);
}
