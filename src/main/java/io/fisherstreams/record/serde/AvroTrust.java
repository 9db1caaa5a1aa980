package io.fisherstreams.record.serde;

import org.apache.avro.util.ClassSecurityValidator;

/**
 * Lets Avro create instances of our generated classes and of its own defaults, and of no others.
 */
public final class AvroTrust {
  static {
    ClassSecurityValidator.setGlobal(
        ClassSecurityValidator.composite(
            ClassSecurityValidator.getGlobal(),
            type -> type.getName().startsWith("io.fisherstreams.")));
  }

  private AvroTrust() {}

  /**
   * Initialises this class, which happens once a process. A serde does it, and so does code that
   * builds records without a serde: a builder reads the default of a list of records as Avro data.
   */
  public static void ensure() {}
}
