package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.tensor.TensorInfo;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The demo through the embedded broker and the real stages. */
class StreamedPoolsIT {
  @Test
  void releasesAreTheMergesOfTheModelsInThePool(@TempDir Path directory) {
    List<MergedRelease> streamed = new ArrayList<>();
    List<MergedRelease> expected = new ArrayList<>();
    DemoResult result;
    try (StreamedPools pools = new StreamedPools(directory)) {
      result =
          SmallRun.of(
                  8,
                  (pool, base, method) ->
                      new Beside(
                          pools.open(pool, base, method),
                          new InMemoryPool(method),
                          streamed,
                          expected),
                  new DemoConsole(new PrintWriter(new StringWriter())))
              .run();
    }
    assertThat(result.withdrawalExact()).isTrue();
    assertThat(streamed).hasSize(7 + 5);
    for (int i = 0; i < streamed.size(); i++) {
      assertEqualUpToRounding(streamed.get(i).parameters(), expected.get(i).parameters());
      assertThat(streamed.get(i).shares().keySet()).isEqualTo(expected.get(i).shares().keySet());
      int release = i;
      streamed
          .get(i)
          .shares()
          .forEach(
              (model, share) ->
                  assertThat(share)
                      .isCloseTo(expected.get(release).shares().get(model), within(1e-9)));
    }
  }

  /** Within 10⁻⁶ of the largest entry: the stage keeps its Fisher sums in float32. */
  private static void assertEqualUpToRounding(Parameters actual, Parameters expected) {
    for (TensorInfo tensor : expected.tensors()) {
      float[] found = actual.values(tensor.name());
      float[] wanted = expected.values(tensor.name());
      float largest = 0;
      float difference = 0;
      for (int j = 0; j < wanted.length; j++) {
        largest = Math.max(largest, Math.abs(wanted[j]));
        difference = Math.max(difference, Math.abs(found[j] - wanted[j]));
      }
      assertThat(difference).as(tensor.name()).isLessThanOrEqualTo(1e-6f * largest);
    }
  }

  /** Does everything in both pools and keeps what each released. */
  private record Beside(
      MergedModels streaming,
      MergedModels inMemory,
      List<MergedRelease> streamed,
      List<MergedRelease> expected)
      implements MergedModels {
    @Override
    public MergedRelease arrive(FineTunedModel model) {
      expected.add(inMemory.arrive(model));
      return kept(streaming.arrive(model));
    }

    @Override
    public MergedRelease withdraw(String model) {
      expected.add(inMemory.withdraw(model));
      return kept(streaming.withdraw(model));
    }

    private MergedRelease kept(MergedRelease release) {
      streamed.add(release);
      return release;
    }

    @Override
    public void close() {
      streaming.close();
    }
  }
}
