package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Squared gradients of a language model by PyTorch's automatic differentiation: one forward pass an
 * example and one backward pass a direction, with all logits of an example at once. It is slow;
 * {@link LanguageRuntime} is compared with it.
 */
final class PlainLanguageRuntime implements ModelRuntime {
  private final LanguageNetwork network;
  private final Parameters parameters;
  private final List<LoadedParameter> estimated;

  /** Owns the parameters from now on, and closes them. */
  PlainLanguageRuntime(LanguageNetwork network, Parameters parameters) {
    this.network = network;
    this.parameters = parameters;
    this.estimated = parameters.finish();
    estimated.forEach(parameter -> parameter.value().setRequiresGradient(true));
  }

  @Override
  public Output output() {
    return Output.TOKENS;
  }

  @Override
  public Compute compute() {
    return parameters.compute();
  }

  @Override
  public List<TensorInfo> parameters() {
    return estimated.stream().map(LoadedParameter::info).toList();
  }

  @Override
  public boolean sparse(String parameter) {
    return false;
  }

  @Override
  public void requireInputs(Example example) {
    network.requireInputs(example);
  }

  @Override
  public ForwardPass forward(List<Example> batch) {
    throw new IllegalStateException("a language model has no classes; see forwardTokens");
  }

  @Override
  public TokenPass forwardTokens(List<Example> batch) {
    return PlainLoopRuntime.recording(
        true, () -> new Pass(parameters.manager().newSubManager(), batch));
  }

  @Override
  public void close() {
    parameters.close();
  }

  /** One example's log-probabilities of all tokens at its targets, recorded. */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  private record Recorded(int[] labels, NDArray logits, NDArray logProbabilities) {}

  private final class Pass implements TokenPass {
    private final NDManager scope;
    private final List<Example> batch;
    private final List<Recorded> recorded = new ArrayList<>();

    Pass(NDManager scope, List<Example> batch) {
      this.scope = scope;
      this.batch = batch;
      try {
        batch.forEach(example -> recorded.add(record(example)));
      } catch (RuntimeException e) {
        scope.close();
        throw e;
      }
    }

    private Recorded record(Example example) {
      LanguageNetwork.Pass pass = network.forward(scope, List.of(example));
      int[] targets = pass.targets()[0];
      int[] rows = IntStream.range(0, targets.length).filter(t -> targets[t] >= 0).toArray();
      int[] labels = IntStream.of(rows).map(row -> targets[row]).toArray();
      NDArray hidden =
          pass.hidden().get(new NDIndex().addIndices(0)).get(new NDIndex("{}", scope.create(rows)));
      NDArray logits = hidden.matMul(network.head().value().transpose());
      return new Recorded(labels, logits, logits.logSoftmax(1));
    }

    @Override
    public TokenScores scores() {
      TokenScores scores = new TokenScores(0, 0, 0);
      for (Recorded one : recorded) {
        long correct = 0;
        double logLikelihood = 0;
        long[] best = one.logProbabilities.argMax(1).toLongArray();
        float[] all = one.logProbabilities.toFloatArray();
        int vocabulary = all.length / best.length;
        for (int t = 0; t < best.length; t++) {
          correct += best[t] == one.labels[t] ? 1 : 0;
          logLikelihood += all[t * vocabulary + one.labels[t]];
        }
        scores = scores.plus(new TokenScores(best.length, correct, logLikelihood));
      }
      return scores;
    }

    /** Accepts every vocabulary: it is slow anyway. */
    @Override
    public void check(TokenLabels labels) {
      // Nothing is rejected.
    }

    @Override
    public void addSquaredGradients(TokenLabels labels, SquaredSums sums) {
      for (int i = 0; i < recorded.size(); i++) {
        Recorded one = recorded.get(i);
        if (labels instanceof TokenLabels.Drawn drawn) {
          float factor = (float) Math.sqrt(1.0 / drawn.samples());
          for (int draw = 0; draw < drawn.samples(); draw++) {
            add(one, drawn(drawn, batch.get(i), draw, one), factor, sums);
          }
        } else if (labels instanceof TokenLabels.Every) {
          addEveryToken(one, sums);
        } else {
          add(one, one.labels, 1, sums);
        }
      }
    }

    private int[] drawn(TokenLabels.Drawn drawn, Example example, int draw, Recorded one) {
      SeededDraws draws = new SeededDraws(drawn.seed());
      float[] all = one.logProbabilities.toFloatArray();
      int vocabulary = all.length / one.labels.length;
      int[] tokens = new int[one.labels.length];
      for (int t = 0; t < tokens.length; t++) {
        double uniform = draws.uniform(example.index(), draw, t);
        double below = Math.exp(all[t * vocabulary]);
        while (below <= uniform && tokens[t] < vocabulary - 1) {
          below += Math.exp(all[t * vocabulary + ++tokens[t]]);
        }
      }
      return tokens;
    }

    private void addEveryToken(Recorded one, SquaredSums sums) {
      float[] all = one.logProbabilities.toFloatArray();
      int vocabulary = all.length / one.labels.length;
      for (int t = 0; t < one.labels.length; t++) {
        double[] p = new double[vocabulary];
        for (int v = 0; v < vocabulary; v++) {
          p[v] = Math.exp(all[t * vocabulary + v]);
        }
        for (float[] direction : ProbabilityFactor.of(p)) {
          float[] along = new float[all.length];
          System.arraycopy(direction, 0, along, t * vocabulary, vocabulary);
          add(one.logits, along, sums);
        }
      }
    }

    private void add(Recorded one, int[] tokens, float factor, SquaredSums sums) {
      int vocabulary = Math.toIntExact(one.logits.getShape().get(1));
      float[] along = new float[tokens.length * vocabulary];
      for (int t = 0; t < tokens.length; t++) {
        along[t * vocabulary + tokens[t]] = factor;
      }
      add(one.logProbabilities, along, sums);
    }

    /** Adds the squared gradient of Σ output · along. */
    private void add(NDArray output, float[] along, SquaredSums sums) {
      Shape shape = output.getShape();
      PlainLoopRuntime.recording(
          true,
          () -> {
            NDArray target = output.mul(scope.create(along, shape)).sum();
            JniUtils.backward((PtNDArray) target, (PtNDArray) scope.create(1f), true, false);
            return null;
          });
      PlainLoopRuntime.recording(
          false,
          () -> {
            estimated.forEach(parameter -> PlainLoopRuntime.add(parameter, sums));
            return null;
          });
    }

    @Override
    public void close() {
      scope.close();
    }
  }
}
