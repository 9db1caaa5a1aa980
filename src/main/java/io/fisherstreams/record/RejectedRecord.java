package io.fisherstreams.record;

/**
 * The pipeline rejects a record, with the reason for {@code dead-letters}. It carries no stack
 * trace: the record is wrong, not the stage.
 */
public final class RejectedRecord extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final RejectionKind kind;

  public RejectedRecord(RejectionKind kind, String reason) {
    super(reason, null, false, false);
    this.kind = kind;
  }

  /** The reason with its kind. */
  public Rejection rejection() {
    return new Rejection(kind, getMessage());
  }
}
