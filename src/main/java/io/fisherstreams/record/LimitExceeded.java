package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;

/** An input that is larger than a pool accepts. */
final class LimitExceeded extends InvalidInput {
  private static final long serialVersionUID = 1L;

  LimitExceeded(String message) {
    super(message);
  }
}
