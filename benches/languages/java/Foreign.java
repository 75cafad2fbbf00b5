import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.function.LongFunction;

/** A function that takes an address and returns nothing, through Java's own foreign functions. */
public class Foreign implements LongFunction<MethodHandle> {
  @Override
  @SuppressWarnings("restricted")
  public MethodHandle apply(long address) {
    FunctionDescriptor type = FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG);
    return Linker.nativeLinker().downcallHandle(MemorySegment.ofAddress(address), type);
  }
}
