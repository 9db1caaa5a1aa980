package io.fisherstreams.checkpoint;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * Rejects checkpoints whose weights are quantised: packed integers beside scales. Averages of
 * scales under the base's integers are no weights.
 */
public final class QuantizedWeights {
  private static final Pattern QUANTIZED_NAME =
      Pattern.compile(
          "(.*\\.)?(qweight|qzeros|SCB|weight_format|weight_packed|weight_shape|weight_zero_point"
              + "|(weight\\.)?(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\\..*))");
  private static final Pattern WEIGHT = Pattern.compile("(.*\\.)?(in_proj_)?weight");
  private static final String ADVICE =
      "quantised weights cannot be merged: use the model in BF16 or wider, before it was quantised";

  private QuantizedWeights() {}

  /**
   * Rejects a quantised checkpoint.
   *
   * @param what the file is, for the message
   * @param isExcluded the tensors that keep the base's value, whatever they hold
   */
  public static void reject(String what, Checkpoint file, Predicate<String> isExcluded) {
    Optional<String> method = file.configText("quantization_config");
    if (method.isPresent()) {
      throw new InvalidInput(
          "%s (%s): config.json has quantization_config %s; %s"
              .formatted(what, file.path(), method.get(), ADVICE));
    }
    for (Map.Entry<String, TensorInfo> entry : file.tensors().entrySet()) {
      TensorInfo tensor = entry.getValue();
      if (!isExcluded.test(tensor.name()) && isQuantized(tensor)) {
        throw new InvalidInput(
            "%s (%s): tensor '%s' is %s %s; %s"
                .formatted(
                    what, file.path(), tensor.name(), tensor.dtype(), tensor.shape(), ADVICE));
      }
    }
  }

  private static boolean isQuantized(TensorInfo tensor) {
    boolean packed =
        !tensor.dtype().mergeable()
            && tensor.dtype() != DType.BOOL
            && !tensor.dtype().name().startsWith("F8_");
    return QUANTIZED_NAME.matcher(tensor.name()).matches()
        || (packed && tensor.shape().size() >= 2 && WEIGHT.matcher(tensor.name()).matches());
  }
}
