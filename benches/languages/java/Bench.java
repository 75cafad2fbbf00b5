import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import io.github.libwxtoken.Store;
import io.github.libwxtoken.Token;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongFunction;
import java.util.function.Supplier;

/**
 * The cost in Java of a token that the process knows, against the minimum for any binding. Run it
 * under warm.py, with $WXTOKEN_JAVA set to ffm or jna; the rows have that name.
 */
public class Bench {
  private static final int ROUNDS = 100;
  private static final int CALLS = 5_000; // in a round of each
  private static final int WARMING = 200_000;

  /** An empty function: freeing no handle is a no-op. */
  private static final MethodHandle EMPTY = empty();

  static native void wxtoken_free(long wx);

  public static void main(String[] arguments) throws Throwable {
    String expected = System.getenv("WXBENCH_TOKEN");
    String way = Store.implementation();
    if (!way.equals(System.getenv("WXTOKEN_JAVA"))) {
      throw new IllegalStateException("set WXTOKEN_JAVA to ffm or jna");
    }
    try (Store store = Store.open()) {
      Token known = store.token("shop");
      Map<String, Supplier<String>> subjects = new LinkedHashMap<>();
      subjects.put("java-" + way + "-token", () -> store.token("shop").value());
      subjects.put("java-" + way + "-floor", () -> empty(known));
      for (Map.Entry<String, Supplier<String>> subject : subjects.entrySet()) {
        if (!subject.getValue().get().equals(expected)) {
          throw new IllegalStateException(subject.getKey() + ": this is not $WXBENCH_TOKEN");
        }
        nanoseconds(subject.getValue(), WARMING);
      }
      for (int round = 0; round < ROUNDS; round++) {
        for (Map.Entry<String, Supplier<String>> subject : subjects.entrySet()) {
          double nanoseconds = nanoseconds(subject.getValue(), CALLS);
          say(subject.getKey(), nanoseconds);
        }
        say("java-" + way + "-token-2-threads", besideAnother(() -> store.token("shop").value()));
      }
    }
  }

  /** The time of a call while another thread makes the same call. */
  private static double besideAnother(Supplier<String> call) throws InterruptedException {
    AtomicBoolean ended = new AtomicBoolean();
    CountDownLatch begun = new CountDownLatch(1);
    Thread another =
        new Thread(
            () -> {
              begun.countDown();
              while (!ended.get()) {
                call.get();
              }
            });
    another.start();
    begun.await();
    try {
      return nanoseconds(call, CALLS);
    } finally {
      ended.set(true);
      another.join();
    }
  }

  private static void say(String bench, double nanoseconds) {
    System.out.println("{\"bench\": \"" + bench + "\", \"ns\": " + nanoseconds + "}");
  }

  private static String empty(Token known) {
    try {
      EMPTY.invokeExact(0L);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    return known.value();
  }

  private static double nanoseconds(Supplier<String> call, int calls) {
    int length = 0;
    long start = System.nanoTime();
    for (int i = 0; i < calls; i++) {
      length += call.get().length();
    }
    long took = System.nanoTime() - start;
    if (length == 0) {
      throw new AssertionError("a token is empty");
    }
    return (double) took / calls;
  }

  private static MethodHandle empty() {
    try {
      NativeLibrary library = NativeLibrary.getInstance("libwxtoken.so.0");
      Native.register(Bench.class, library);
      if (Store.implementation().equals("jna")) {
        MethodType type = MethodType.methodType(void.class, long.class);
        return MethodHandles.lookup().findStatic(Bench.class, "wxtoken_free", type);
      }
      // Compiled only if a Java with foreign functions exists.
      @SuppressWarnings("unchecked")
      LongFunction<MethodHandle> foreign =
          (LongFunction<MethodHandle>) Class.forName("Foreign").getConstructor().newInstance();
      return foreign.apply(Pointer.nativeValue(library.getFunction("wxtoken_free")));
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }
}
