package io.fisherstreams.publish;

import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * Tells contents apart: SHA-256 over names, types, shapes and bytes of the published tensors, in
 * their order.
 */
public final class ContentHash {
  private ContentHash() {}

  /** The hash as 64 hex digits. */
  public static String of(TensorSource checkpoint, List<Parameter> parameters) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      Map<String, TensorInfo> tensors = new HashMap<>();
      checkpoint.tensors().forEach(tensor -> tensors.put(tensor.name(), tensor));
      for (Parameter parameter : parameters) {
        TensorInfo tensor = tensors.get(parameter.getName());
        digest.update(
            (tensor.name() + "\0" + tensor.dtype() + tensor.shape() + "\0")
                .getBytes(StandardCharsets.UTF_8));
        for (int index = 0; index < Shard.count(tensor); index++) {
          Shard shard = new Shard(tensor, index);
          digest.update(checkpoint.slice(tensor.name(), shard.firstElement(), shard.elements()));
        }
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }
}
