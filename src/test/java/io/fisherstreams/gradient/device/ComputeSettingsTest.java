package io.fisherstreams.gradient.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import io.fisherstreams.InvalidInput;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The choice of a device among GPUs that do not exist. */
class ComputeSettingsTest {
  private final List<String> notes = new ArrayList<>();

  private static Gpus none() {
    return new Gpus(0, "nobody plugged one in");
  }

  private static Gpus two() {
    return new Gpus(2, "");
  }

  private static Gpus notAsked() {
    throw new AssertionError("the CPU needs no PyTorch for GPUs");
  }

  private Compute resolve(String device, Precision precision, Supplier<Gpus> gpus) {
    return new ComputeSettings(DeviceChoice.named(device), precision).resolve(gpus, notes::add);
  }

  @Test
  void theCpuIsTheDefaultAndAsksForNoGpu() {
    assertThat(ComputeSettings.DEFAULT.resolve(ComputeSettingsTest::notAsked, notes::add))
        .isEqualTo(Compute.cpu());
    assertThat(resolve("cpu", Precision.FLOAT32, ComputeSettingsTest::notAsked))
        .isEqualTo(Compute.cpu());
    assertThat(notes).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"auto, 0", "gpu:0, 0", "gpu:1, 1"})
  void aGpuThatIsThereIsUsed(String device, int number) {
    Compute found = resolve(device, Precision.BFLOAT16, ComputeSettingsTest::two);
    assertThat(found).isEqualTo(new Compute(Device.gpu(number), false, Precision.BFLOAT16));
    assertThat(notes).isEmpty();
  }

  @Test
  void autoSaysOnceWhyItUsesTheCpu() {
    assertThat(resolve("auto", Precision.FLOAT32, ComputeSettingsTest::none))
        .isEqualTo(Compute.cpu());
    assertThat(notes)
        .containsExactly("device auto: gradients run on the CPU: nobody plugged one in");
  }

  @Test
  void aGpuThatIsNotThereIsRejected() {
    assertThatThrownBy(() -> resolve("gpu:2", Precision.FLOAT32, ComputeSettingsTest::two))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("device gpu:2: there is no such GPU; PyTorch finds 2, from gpu:0 to gpu:1");
    assertThatThrownBy(() -> resolve("gpu:0", Precision.FLOAT32, ComputeSettingsTest::none))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("device gpu:0: there is no GPU: nobody plugged one in");
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "auto"})
  void bfloat16NeedsAGpu(String device) {
    assertThatThrownBy(() -> resolve(device, Precision.BFLOAT16, ComputeSettingsTest::none))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("compute dtype bfloat16: this run is on the CPU")
        .hasMessageContaining("float32");
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpu", "cuda", "gpu:", "gpu:-1", "gpu:12345", "GPU:0", "cpu:0", ""})
  void anotherNameOfADeviceIsRejected(String name) {
    assertThatThrownBy(() -> DeviceChoice.named(name))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("expected auto, cpu or gpu:N, such as gpu:0, found '%s'".formatted(name));
  }

  @ParameterizedTest
  @ValueSource(strings = {"auto", "cpu", "gpu:0", "gpu:12"})
  void namesAreWrittenAsTheyAreRead(String name) {
    assertThat(DeviceChoice.named(name)).hasToString(name);
  }

  @Test
  void anotherNameOfAPrecisionIsRejected() {
    assertThatThrownBy(() -> Precision.named("float16"))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("expected float32 or bfloat16, found 'float16'");
  }
}
