package io.fisherstreams.record.serde;

import org.apache.avro.specific.SpecificRecordBase;
import org.apache.avro.util.ClassSecurityValidator;

/**
 * The superclass of our generated records. Avro creates instances of trusted classes only, in a
 * builder's defaults too; this lets it create those of this program, and no others beside its own
 * defaults. Whatever uses a record initialises this class first, so it does not depend on what else
 * the process has done.
 */
public abstract class TrustedRecord extends SpecificRecordBase {
  static {
    ClassSecurityValidator.setGlobal(
        ClassSecurityValidator.composite(
            ClassSecurityValidator.getGlobal(),
            type -> type.getName().startsWith("io.fisherstreams.")));
  }
}
