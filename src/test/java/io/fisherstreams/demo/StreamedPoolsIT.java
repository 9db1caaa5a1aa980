package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.tensor.TensorInfo;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The demo through the embedded broker and the real stages. */
class StreamedPoolsIT {
  @Test
  void releasesAreTheMergesOfTheModelsInThePool(@TempDir Path directory) {
    List<MergedRelease> streamed = new ArrayList<>();
    List<MergedRelease> expected = new ArrayList<>();
    List<FineTunedModel> arrived = new ArrayList<>();
    DemoResult result;
    try (StreamedPools pools = new StreamedPools(directory)) {
      result =
          SmallRun.of(
                  8,
                  (pool, base, method) -> {
                    MergedModels real = pools.open(pool, base, method);
                    return new Beside(
                        real,
                        new InMemoryPool(method, model -> real.fishers().get(model.name())),
                        arrived,
                        streamed,
                        expected);
                  },
                  new DemoConsole(new PrintWriter(new StringWriter())))
              .run();
    }
    for (int i = 0; i < 6; i++) {
      FineTunedModel model = arrived.get(i);
      PooledModel pooled = result.models().get(i);
      assertThat(pooled.name()).isEqualTo(model.name());
      assertFisher(pooled.fisher(), DoubleFisher.of(model.parameters(), model.examples()));
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

  /** Within 10⁻⁵ of the largest entry: the stage computes in float32. */
  private static void assertFisher(DigitParameters actual, Map<String, double[]> expected) {
    assertThat(actual.tensors()).extracting(TensorInfo::name).hasSameElementsAs(expected.keySet());
    expected.forEach(
        (name, wanted) -> {
          float[] found = actual.values(name);
          double largest = 0;
          double difference = 0;
          for (int j = 0; j < wanted.length; j++) {
            largest = Math.max(largest, wanted[j]);
            difference = Math.max(difference, Math.abs(found[j] - wanted[j]));
          }
          assertThat(largest).as(name).isPositive();
          assertThat(difference).as(name).isLessThanOrEqualTo(1e-5 * largest);
        });
  }

  /** Within 10⁻⁶ of the largest entry: the stage keeps its Fisher sums in float32. */
  private static void assertEqualUpToRounding(DigitParameters actual, DigitParameters expected) {
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

  /** Changes both pools and keeps what each released. */
  private record Beside(
      MergedModels streaming,
      MergedModels inMemory,
      List<FineTunedModel> arrived,
      List<MergedRelease> streamed,
      List<MergedRelease> expected)
      implements MergedModels {
    @Override
    public MergedRelease arrive(FineTunedModel model) {
      arrived.add(model);
      MergedRelease release = kept(streaming.arrive(model));
      expected.add(inMemory.arrive(model));
      return release;
    }

    @Override
    public MergedRelease withdraw(String model) {
      expected.add(inMemory.withdraw(model));
      return kept(streaming.withdraw(model));
    }

    @Override
    public Map<String, DigitParameters> fishers() {
      return streaming.fishers();
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
