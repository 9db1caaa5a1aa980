package io.fisherstreams.gradient.model;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Any model as a TorchScript file. The checkpoint's parameters replace the file's. The module runs
 * in evaluation mode, and its only output is the logits, (examples, classes).
 *
 * <p>A TorchScript file is code: it must come from a path that the operator configured.
 */
final class TorchScript implements PlainLoopRuntime.Forward {
  private final Path file;
  private final List<String> inputs;
  private final PtSymbolBlock module;

  private TorchScript(Path file, PtSymbolBlock module) {
    this.file = file;
    this.inputs = TorchScriptSignature.inputs(file);
    this.module = module;
  }

  /**
   * Loads a module and puts a checkpoint's parameters into it.
   *
   * @throws InvalidInput when the file is no TorchScript module, or its parameters and the
   *     checkpoint's tensors differ in name or shape
   */
  static ModelRuntime load(Path file, TensorSource checkpoint, Compute compute) {
    if (!Files.isRegularFile(file)) {
      throw new InvalidInput(file + ": no such TorchScript file");
    }
    Parameters parameters = new Parameters(checkpoint, Optional.empty(), compute);
    try {
      PtNDManager manager = (PtNDManager) parameters.manager();
      TorchScript script = new TorchScript(file, module(file, manager));
      List<LoadedParameter> replaced = script.replaceParameters(parameters, manager);
      return new PlainLoopRuntime(
          Output.CLASSES,
          script,
          replaced,
          new PlainLoopRuntime.Memory(manager, compute, parameters));
    } catch (RuntimeException e) {
      parameters.close();
      throw e;
    }
  }

  private static PtSymbolBlock module(Path file, PtNDManager manager) {
    try {
      PtSymbolBlock module =
          JniUtils.loadModule(
              manager, file, manager.getDevice().isGpu(), new String[0], new String[0], true);
      // Scripted modules still have their dropout; evaluation mode turns it off.
      JniUtils.enableInferenceMode(module);
      return module;
    } catch (EngineException e) {
      throw new InvalidInput("%s: PyTorch cannot load it: %s".formatted(file, firstLine(e)), e);
    }
  }

  private List<LoadedParameter> replaceParameters(Parameters parameters, PtNDManager manager) {
    Map<String, NDArray> own = new LinkedHashMap<>();
    for (NDArray array : JniUtils.moduleGetParams(module, manager)) {
      if (array.hasGradient()) {
        own.put(array.getName(), array);
      }
    }
    Map<String, LoadedParameter> replaced = new LinkedHashMap<>();
    own.forEach(
        (name, array) -> {
          if (array.getDataType() != DataType.FLOAT32) {
            throw new InvalidInput(
                "%s: parameter %s: expected float32, found %s"
                    .formatted(file, name, array.getDataType()));
          }
          LoadedParameter parameter = parameters.take(name, array.getShape().getShape());
          array.setRequiresGradient(false);
          try (NDArray value = parameter.value()) {
            value.copyTo(array);
          }
          replaced.put(
              name, new LoadedParameter(parameter.info(), array, true, parameter.precision()));
        });
    rejectBuffers(own.keySet(), parameters);
    List<LoadedParameter> inOrder = new ArrayList<>();
    for (LoadedParameter parameter : parameters.finish()) {
      inOrder.add(replaced.get(parameter.name()));
    }
    return inOrder;
  }

  /** DJL gives no access to buffers, so those of the checkpoint would silently have no effect. */
  private void rejectBuffers(Set<String> own, Parameters parameters) {
    for (TensorInfo tensor : parameters.checkpointTensors()) {
      if (!own.contains(tensor.name()) && tensor.dtype().mergeable()) {
        throw new InvalidInput(
            ("%s: tensor %s is no parameter of %s. Buffers, such as running statistics, keep the"
                    + " values in the TorchScript file: trace the module with the right ones and"
                    + " leave them out of the checkpoint")
                .formatted(parameters.origin(), tensor.name(), file));
      }
    }
    parameters.ignore(name -> !own.contains(name));
  }

  @Override
  public NDArray logits(NDManager scope, List<Example> batch) {
    NDList arguments = new NDList();
    for (String input : inputs) {
      arguments.add(stacked(scope, input, batch));
    }
    NDList outputs;
    try {
      outputs = IValueUtils.forward(module, arguments, JniUtils.isGradMode());
    } catch (EngineException e) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: example %d: %s does not run on it: %s",
              batch.get(0).origin(),
              batch.get(0).index(),
              file,
              firstLine(e)),
          e);
    }
    if (outputs.size() != 1
        || outputs.get(0).getShape().dimension() != 2
        || outputs.get(0).getShape().get(0) != batch.size()
        || outputs.get(0).getShape().get(1) < 2) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: expected one output, logits of shape (%d, at least two classes), found %s",
              file,
              batch.size(),
              outputs.stream().map(NDArray::getShape).toList()));
    }
    return outputs.get(0);
  }

  private static NDArray stacked(NDManager scope, String name, List<Example> batch) {
    InputTensor first = batch.get(0).input(name);
    int bytes = first.bytes().remaining();
    ByteBuffer all = ByteBuffer.allocateDirect(bytes * batch.size()).order(ByteOrder.nativeOrder());
    for (Example example : batch) {
      InputTensor input = example.input(name);
      if (!input.shape().equals(first.shape()) || input.dtype() != first.dtype()) {
        throw example.invalid(
            "%s: expected %s %s as in the batch's first example, found %s %s"
                .formatted(name, first.dtype(), first.shape(), input.dtype(), input.shape()));
      }
      all.put(input.bytes().duplicate());
    }
    long[] shape = new long[first.shape().size() + 1];
    shape[0] = batch.size();
    Arrays.setAll(shape, i -> i == 0 ? batch.size() : first.shape().get(i - 1));
    return scope.create(all.flip(), new Shape(shape), dataType(batch.get(0), name, first.dtype()));
  }

  private static DataType dataType(Example example, String name, DType dtype) {
    return switch (dtype) {
      case F64 -> DataType.FLOAT64;
      case F32 -> DataType.FLOAT32;
      case F16 -> DataType.FLOAT16;
      case I64 -> DataType.INT64;
      case I32 -> DataType.INT32;
      case I8 -> DataType.INT8;
      case U8 -> DataType.UINT8;
      case BOOL -> DataType.BOOLEAN;
      default -> throw example.invalid("%s: %s is no input type".formatted(name, dtype));
    };
  }

  private static String firstLine(EngineException e) {
    return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
  }
}
