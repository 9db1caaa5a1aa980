package io.fisherstreams.publish;

import com.google.common.hash.Hasher;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.files.Sha256;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Identifies content: SHA-256 of the published tensors' names, types, shapes and bytes, in order.
 */
public final class ContentHash {
  private ContentHash() {}

  /** The hash as 64 hex digits. */
  public static String of(TensorSource checkpoint, List<Parameter> parameters) {
    Map<String, TensorInfo> tensors = new HashMap<>();
    checkpoint.tensors().forEach(tensor -> tensors.put(tensor.name(), tensor));
    Hasher hasher = Sha256.hasher();
    for (Parameter parameter : parameters) {
      TensorInfo tensor = tensors.get(parameter.getName());
      hasher.putString(
          tensor.name() + "\0" + tensor.dtype() + tensor.shape() + "\0", StandardCharsets.UTF_8);
      for (int index = 0; index < Shard.count(tensor); index++) {
        Shard shard = new Shard(tensor, index);
        hasher.putBytes(checkpoint.slice(tensor.name(), shard.firstElement(), shard.elements()));
      }
    }
    return hasher.hash().toString();
  }
}
