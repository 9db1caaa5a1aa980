package io.fisherstreams.record;

/**
 * A record that the pipeline will not take, with the reason for {@code dead-letters}. It carries no
 * stack trace: it is an answer to the record's sender, not a fault of the stage.
 */
public final class RejectedRecord extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public RejectedRecord(String reason) {
    super(reason, null, false, false);
  }
}
