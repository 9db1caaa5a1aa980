package io.fisherstreams.release;

import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;

/** The tensors of a release. */
public final class ReleaseTensors {
  private ReleaseTensors() {}

  /**
   * A base parameter as a release has it: floating tensors take the method's output type when it
   * names one.
   */
  public static TensorInfo of(Parameter parameter, MergeMethod method) {
    DType own = DType.of(parameter.getDtype()).orElseThrow();
    boolean converted = own.mergeable() && method.getOutputDtype() != null;
    return new TensorInfo(
        parameter.getName(),
        converted ? DType.of(method.getOutputDtype()).orElseThrow() : own,
        parameter.getShape());
  }
}
