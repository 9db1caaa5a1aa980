package io.fisherstreams.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.bench.GrowthPool.Change;
import io.fisherstreams.bench.GrowthPool.LocalDisk;
import io.fisherstreams.merge.LocalPayloads;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;

class GrowthReportTest {
  private final StringWriter text = new StringWriter();
  private final PrintWriter out = new PrintWriter(text);
  private final GrowthReport report = new GrowthReport();

  /** A model has 8 · 262,144 = 2,097,152 parameters. */
  private void addAWithdrawal() {
    List<GrowthCost> costs =
        List.of(
            new GrowthCost(0.9, 12_582_912, 67_108_864, 12_582_912),
            new GrowthCost(0.25, 12_582_912, 67_108_864, 12_582_912),
            new GrowthCost(0.125, 4, 5, 6));
    report.add(16, Change.WITHDRAWAL, LocalPayloads.RECENT, GrowthCost.median(costs));
    report.add(16, LocalPayloads.RECENT, new LocalDisk(16_777_216, 67_108_864));
  }

  @Test
  void tablesHaveMediansAndBytesAParameter() {
    addAWithdrawal();
    report.print(out, 3);
    assertThat(text.toString().lines().map(line -> line.strip().replaceAll(" +", " ")))
        .contains("16 withdrawal recent 0.250 6.0 32.0 6.0", "16 recent 8.0 32.0");
  }

  @Test
  void jsonHasOneObjectALine() throws Exception {
    addAWithdrawal();
    report.printJson(out);
    List<String> lines = text.toString().lines().toList();
    assertThat(lines).hasSize(2);
    JsonNode cost = new ObjectMapper().readTree(lines.get(0));
    assertThat(cost)
        .isEqualTo(
            new ObjectMapper()
                .readTree(
                    """
                    {"models": 16, "parameters": 2097152, "local_payloads": "recent",
                     "change": "withdrawal", "seconds": 0.25, "local_bytes": 12582912,
                     "sums_bytes": 67108864, "topic_bytes": 12582912}
                    """));
    JsonNode disk = new ObjectMapper().readTree(lines.get(1));
    assertThat(disk.get("payload_file_bytes").asLong()).isEqualTo(16_777_216);
    assertThat(disk.get("sums_file_bytes").asLong()).isEqualTo(67_108_864);
  }
}
