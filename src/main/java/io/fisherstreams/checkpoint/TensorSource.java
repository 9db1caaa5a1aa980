package io.fisherstreams.checkpoint;

import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/** A source of named tensors: a checkpoint's files, or the shards of a topic. */
public interface TensorSource {

  /** The file or topic, for messages. */
  String origin();

  /** All tensors, in the source's order. */
  List<TensorInfo> tensors();

  /**
   * A run of one tensor's elements.
   *
   * @param name a name among {@link #tensors()}
   * @param firstElement index of the first element in the flattened tensor
   * @param elements how many
   * @return little-endian bytes, from position to limit; valid until the next call
   */
  ByteBuffer slice(String name, long firstElement, int elements);

  /** Only the tensors whose names match. */
  default TensorSource only(Predicate<String> names) {
    return of(origin(), tensors().stream().filter(t -> names.test(t.name())).toList(), this);
  }

  /** The same tensors under another name for messages. */
  default TensorSource named(String origin) {
    return of(origin, tensors(), this);
  }

  private static TensorSource of(String origin, List<TensorInfo> tensors, TensorSource slices) {
    return new TensorSource() {
      @Override
      public String origin() {
        return origin;
      }

      @Override
      public List<TensorInfo> tensors() {
        return tensors;
      }

      @Override
      public ByteBuffer slice(String name, long firstElement, int elements) {
        return slices.slice(name, firstElement, elements);
      }
    };
  }

  /**
   * These tensors, and the matching tensors of another source. A matching tensor replaces one of
   * the same name. Example: a merged model with the head of one of its models.
   *
   * @param other the source of the matching tensors
   * @param names which of its tensors to take
   */
  default TensorSource with(TensorSource other, Predicate<String> names) {
    TensorSource own = this;
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    own.tensors().forEach(tensor -> tensors.put(tensor.name(), tensor));
    Set<String> replaced = new HashSet<>();
    for (TensorInfo tensor : other.tensors()) {
      if (names.test(tensor.name())) {
        tensors.put(tensor.name(), tensor);
        replaced.add(tensor.name());
      }
    }
    List<TensorInfo> union = List.copyOf(tensors.values());
    return new TensorSource() {
      @Override
      public String origin() {
        return own.origin() + " with tensors of " + other.origin();
      }

      @Override
      public List<TensorInfo> tensors() {
        return union;
      }

      @Override
      public ByteBuffer slice(String name, long firstElement, int elements) {
        return (replaced.contains(name) ? other : own).slice(name, firstElement, elements);
      }
    };
  }

  /** The tensors of an open checkpoint. The caller closes the checkpoint. */
  static TensorSource of(Checkpoint checkpoint) {
    return new TensorSource() {
      @Override
      public String origin() {
        return checkpoint.path().toString();
      }

      @Override
      public List<TensorInfo> tensors() {
        return List.copyOf(checkpoint.tensors().values());
      }

      @Override
      public ByteBuffer slice(String name, long firstElement, int elements) {
        return checkpoint.slice(name, firstElement, elements);
      }
    };
  }
}
