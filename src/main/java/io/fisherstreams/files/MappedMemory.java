package io.fisherstreams.files;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;

/**
 * Unmaps a memory map immediately.
 *
 * <p>JDK 17 has no public call for that. Without this class a map exists until its buffer is
 * garbage collected; until then it occupies address space, and a deleted file its disk blocks. The
 * foreign-memory API that replaces this is an incubator module in 17. {@code
 * sun.misc.Unsafe.invokeCleaner}, in the supported module {@code jdk.unsupported}, is the call that
 * the JDK keeps for this purpose; Kafka, Lucene and Netty release their maps through it too.
 */
public final class MappedMemory {
  private static final MethodHandle INVOKE_CLEANER = invokeCleaner();

  private MappedMemory() {}

  /**
   * Unmaps a buffer. Touching the buffer or a view of it afterwards crashes the process, so only
   * the map's owner may call this.
   */
  public static void unmap(MappedByteBuffer buffer) {
    try {
      INVOKE_CLEANER.invoke(buffer);
    } catch (Throwable e) {
      throw new LinkageError("sun.misc.Unsafe.invokeCleaner failed", e);
    }
  }

  private static MethodHandle invokeCleaner() {
    try {
      Class<?> unsafeClass = Class.forName("sun.misc.Unsafe");
      Field instance = unsafeClass.getDeclaredField("theUnsafe");
      instance.setAccessible(true);
      return MethodHandles.lookup()
          .findVirtual(
              unsafeClass, "invokeCleaner", MethodType.methodType(void.class, ByteBuffer.class))
          .bindTo(instance.get(null));
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }
}
