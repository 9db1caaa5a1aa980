package io.fisherstreams.local;

import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.SchemaCompatibilityType;

/**
 * Confluent's compatibility levels: which earlier schemas a new one is compared with, and in which
 * directions.
 */
enum Compatibility {
  NONE(false, false, false),
  BACKWARD(true, false, false),
  BACKWARD_TRANSITIVE(true, false, true),
  FORWARD(false, true, false),
  FORWARD_TRANSITIVE(false, true, true),
  FULL(true, true, false),
  FULL_TRANSITIVE(true, true, true);

  private final boolean newReadsOld;
  private final boolean oldReadsNew;
  private final boolean transitive;

  Compatibility(boolean newReadsOld, boolean oldReadsNew, boolean transitive) {
    this.newReadsOld = newReadsOld;
    this.oldReadsNew = oldReadsNew;
    this.transitive = transitive;
  }

  /** Whether a new schema is compared with all earlier ones, not only with the newest. */
  boolean isTransitive() {
    return transitive;
  }

  /**
   * Why a new schema is incompatible with an earlier one; empty when it is compatible.
   *
   * @param version of the earlier schema, for the messages
   */
  List<String> incompatibilities(Schema schema, Schema earlier, int version) {
    List<String> reasons = new ArrayList<>();
    if (newReadsOld) {
      reasons.addAll(unreadable(schema, earlier, "the new schema cannot read", version));
    }
    if (oldReadsNew) {
      reasons.addAll(unreadable(earlier, schema, "the new schema cannot be read by", version));
    }
    return reasons;
  }

  private static List<String> unreadable(Schema reader, Schema writer, String what, int version) {
    var result = SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getResult();
    if (result.getCompatibility() == SchemaCompatibilityType.COMPATIBLE) {
      return List.of();
    }
    return result.getIncompatibilities().stream()
        .map(
            i ->
                what
                    + " version "
                    + version
                    + ": "
                    + i.getType()
                    + " at "
                    + i.getLocation()
                    + ": "
                    + i.getMessage())
        .toList();
  }
}
