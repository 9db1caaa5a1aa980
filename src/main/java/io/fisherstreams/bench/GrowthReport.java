package io.fisherstreams.bench;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fisherstreams.bench.GrowthPool.Change;
import io.fisherstreams.bench.GrowthPool.LocalDisk;
import io.fisherstreams.merge.LocalPayloads;
import io.fisherstreams.text.TextTable;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What {@link GrowthBench} has measured, as tables or as JSON Lines. */
final class GrowthReport {
  private final TextTable costs =
      new TextTable().right().left().left().right().right().right().right();
  private final TextTable disks = new TextTable().right().left().right().right();
  private final List<ObjectNode> rows = new ArrayList<>();

  /** A report without rows. */
  GrowthReport() {
    costs.row(
        "models", "change", "payloads", "seconds", "local bytes", "sums' bytes", "topic bytes");
    disks.row("models", "payloads", "payload files", "kept sums");
  }

  /** Adds what a change costs in a pool of so many models. */
  void add(int models, Change change, LocalPayloads local, GrowthCost cost) {
    costs.row(
        Integer.toString(models),
        change.toString(),
        local.toString(),
        String.format(Locale.ROOT, "%.3f", cost.seconds()),
        perParameter(cost.payloads()),
        perParameter(cost.sums()),
        perParameter(cost.topics()));
    row(models, local)
        .put("change", change.toString())
        .put("seconds", cost.seconds())
        .put("local_bytes", (long) cost.payloads())
        .put("sums_bytes", (long) cost.sums())
        .put("topic_bytes", (long) cost.topics());
  }

  /** Adds the local files of a pool of so many models. */
  void add(int models, LocalPayloads local, LocalDisk disk) {
    disks.row(
        Integer.toString(models),
        local.toString(),
        perParameter((double) disk.payloads()),
        perParameter((double) disk.sums()));
    row(models, local)
        .put("payload_file_bytes", disk.payloads())
        .put("sums_file_bytes", disk.sums());
  }

  private ObjectNode row(int models, LocalPayloads local) {
    ObjectNode row = JsonNodeFactory.instance.objectNode();
    rows.add(row);
    return row.put("models", models)
        .put("parameters", GrowthPool.parameters())
        .put("local_payloads", local.toString());
  }

  /** Prints the rows as tables. */
  void print(PrintWriter out, int repetitions) {
    out.printf(
        Locale.ROOT,
        "one change in a pool of bfloat16 models of %,d parameters: seconds from its last record to the release, bytes read a parameter of one model (medians of %d)%n",
        GrowthPool.parameters(),
        repetitions);
    costs.print(out);
    out.println(
        "local files after the arrivals, before the changes: bytes a parameter of one model");
    disks.print(out);
    out.flush();
  }

  /** Prints each row as a JSON object on one line. */
  void printJson(PrintWriter out) {
    rows.forEach(out::println);
    out.flush();
  }

  private static String perParameter(double bytes) {
    return String.format(Locale.ROOT, "%.1f", bytes / GrowthPool.parameters());
  }
}
