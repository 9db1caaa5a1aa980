package io.fisherstreams.gradient.device;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * A matrix product in bfloat16. DJL's bridge to PyTorch ends the process when it is asked for a
 * bfloat16 array, so the conversions are in a TorchScript program, and no such array is seen here.
 */
final class Bfloat16Product {
  /** 15 and 6 are PyTorch's numbers of bfloat16 and float32. */
  private static final String CODE =
      """
      class Product(Module):
        __parameters__ = []
        __buffers__ = []
        training : bool
        def forward(self: __torch__.Product,
          left: Tensor,
          right: Tensor) -> Tensor:
          a = torch.to(left, 15)
          b = torch.to(right, 15)
          return torch.to(torch.matmul(a, b), 6)
      """;

  /**
   * Python's pickle, protocol 2, of an object of this class whose only field, training, is false.
   */
  private static final String OBJECT =
      "\u0080\u0002c__torch__\nProduct\n)\u0081}X\u0008\u0000\u0000\u0000training\u0089sb.";

  /** The pickle of an empty tuple. */
  private static final String NO_CONSTANTS = "\u0080\u0002).";

  private static final PtSymbolBlock PROGRAM = load();

  private Bfloat16Product() {}

  private static PtSymbolBlock load() {
    PtNDManager manager = (PtNDManager) TorchLibraries.engine().newBaseManager(Device.cpu());
    try {
      return JniUtils.loadModule(manager, new ByteArrayInputStream(archive()), false, false);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] archive() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      put(zip, "data.pkl", OBJECT);
      put(zip, "code/__torch__.py", CODE);
      put(zip, "constants.pkl", NO_CONSTANTS);
      put(zip, "version", "3\n");
    }
    return bytes.toByteArray();
  }

  private static void put(ZipOutputStream zip, String name, String content) throws IOException {
    zip.putNextEntry(new ZipEntry("product/" + name));
    zip.write(content.getBytes(StandardCharsets.ISO_8859_1));
    zip.closeEntry();
  }

  /** left·right on the last two dimensions, where the arrays are; float32. */
  static NDArray of(NDArray left, NDArray right) {
    // PyTorch lets nobody change the result of a program in place; a copy of it may be changed.
    try (NDArray result =
        IValueUtils.forward(PROGRAM, new NDList(left, right), false).singletonOrThrow()) {
      return result.duplicate();
    }
  }
}
