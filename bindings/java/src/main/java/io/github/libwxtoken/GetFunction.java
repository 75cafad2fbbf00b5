package io.github.libwxtoken;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Array;

/**
 * Calls {@code wxtoken_get} by Java's own foreign functions, which Java has since 22, or by JNA.
 * Both take the same four addresses.
 */
final class GetFunction {
  private static final MethodType TYPE =
      MethodType.methodType(int.class, long.class, long.class, long.class, long.class);

  // The compiler inlines it, because it never changes.
  private static final MethodHandle GET;

  /** {@code "ffm"} or {@code "jna"}. */
  private static final String IMPLEMENTATION;

  /**
   * The reason why the requested implementation cannot be used, which each use reports, or null.
   */
  private static final String FAILURE;

  static {
    Library.require();
    String wanted = System.getenv("WXTOKEN_JAVA");
    MethodHandle ffm = null;
    String failure = null;
    if (wanted == null || !wanted.equals("jna")) {
      try {
        ffm = ffm();
      } catch (IllegalStateException e) {
        failure = e.getMessage();
      } catch (ReflectiveOperationException e) {
        failure = "this Java lacks java.lang.foreign, which Java 22 introduced";
      }
    }
    GET = ffm == null ? jna() : ffm;
    IMPLEMENTATION = ffm == null ? "jna" : "ffm";
    FAILURE = complaint(wanted, failure);
  }

  private static String complaint(String wanted, String failure) {
    return switch (wanted == null ? "" : wanted) {
      case "", "jna" -> null;
      case "ffm" ->
          failure == null
              ? null
              : "wxtoken cannot use foreign functions: " + failure + ": unset WXTOKEN_JAVA for JNA";
      default -> "WXTOKEN_JAVA is " + wanted + ": set it to ffm or jna, or unset it";
    };
  }

  /** Returns the name of the implementation in use. */
  static String implementation() {
    if (FAILURE != null) {
      throw new UnsatisfiedLinkError(FAILURE);
    }
    return IMPLEMENTATION;
  }

  /** Calls the function. The addresses must be of memory that does not move. */
  static int call(long wx, long name, long out, long err) {
    try {
      return (int) GET.invokeExact(wx, name, out, err);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /**
   * Returns the function by java.lang.foreign, which is looked up by name because this package is
   * compiled for Java 17. Throws if native access is not enabled, because Java would then warn of
   * it.
   */
  private static MethodHandle ffm() throws ReflectiveOperationException {
    Object isEnabled =
        Module.class.getMethod("isNativeAccessEnabled").invoke(GetFunction.class.getModule());
    if (!isEnabled.equals(true)) {
      throw new IllegalStateException("start Java with --enable-native-access");
    }
    return linked(Library.address("wxtoken_get"));
  }

  /**
   * Returns {@code Linker.nativeLinker().downcallHandle(MemorySegment.ofAddress(…), (long…)int)}.
   */
  private static MethodHandle linked(long address) throws ReflectiveOperationException {
    Class<?> linker = Class.forName("java.lang.foreign.Linker");
    Class<?> segment = Class.forName("java.lang.foreign.MemorySegment");
    Class<?> layout = Class.forName("java.lang.foreign.MemoryLayout");
    Class<?> values = Class.forName("java.lang.foreign.ValueLayout");
    Class<?> descriptor = Class.forName("java.lang.foreign.FunctionDescriptor");
    Class<?> option = Class.forName("java.lang.foreign.Linker$Option");
    Object layouts = Array.newInstance(layout, TYPE.parameterCount());
    for (int i = 0; i < TYPE.parameterCount(); i++) {
      Array.set(layouts, i, values.getField("JAVA_LONG").get(null));
    }
    Object signature =
        descriptor
            .getMethod("of", layout, layouts.getClass())
            .invoke(null, values.getField("JAVA_INT").get(null), layouts);
    Object function = segment.getMethod("ofAddress", long.class).invoke(null, address);
    // No linker options: a critical function must not wait, and a get may.
    Object none = Array.newInstance(option, 0);
    return (MethodHandle)
        linker
            .getMethod("downcallHandle", segment, descriptor, none.getClass())
            .invoke(linker.getMethod("nativeLinker").invoke(null), function, signature, none);
  }

  private static MethodHandle jna() {
    try {
      return MethodHandles.lookup().findStatic(Library.class, "wxtoken_get", TYPE);
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }

  private GetFunction() {}
}
