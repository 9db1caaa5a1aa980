package io.fisherstreams.record.serde;

import org.apache.avro.util.ClassSecurityValidator;

/**
 * Lets Avro create instances of our generated classes and of its own defaults, and of no others.
 */
final class AvroTrust {
  static {
    ClassSecurityValidator.setGlobal(
        ClassSecurityValidator.composite(
            ClassSecurityValidator.getGlobal(),
            type -> type.getName().startsWith("io.fisherstreams.")));
  }

  private AvroTrust() {}

  /** Initialises this class, which happens once a process. */
  static void ensure() {}
}
