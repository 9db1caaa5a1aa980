package io.fisherstreams.record.serde;

import org.apache.avro.util.ClassSecurityValidator;

/** Lets Avro make instances of our generated classes, and of no others beyond its own defaults. */
final class AvroTrust {
  static {
    ClassSecurityValidator.setGlobal(
        ClassSecurityValidator.composite(
            ClassSecurityValidator.getGlobal(),
            type -> type.getName().startsWith("io.fisherstreams.")));
  }

  private AvroTrust() {}

  /** Has no effect but that of this class's initialisation, which happens once a process. */
  static void ensure() {}
}
