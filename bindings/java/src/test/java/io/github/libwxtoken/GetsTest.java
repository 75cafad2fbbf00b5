package io.github.libwxtoken;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.libwxtoken.Simulator.Account;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The special parts of gets: how they are called, their memory, and Tokens that are returned again.
 */
class GetsTest {
  @TempDir Path directory;

  @Test
  void theImplementationIsTheRequestedOneOrTheBestAvailable() {
    String wanted = System.getenv("WXTOKEN_JAVA");
    // JNA has had native access enabled, with a warning, since Java 24.
    boolean isForeign = Runtime.version().feature() >= 24;
    assertEquals(wanted == null ? (isForeign ? "ffm" : "jna") : wanted, Store.implementation());
  }

  @Test
  void anUnknownOrUnusableImplementationIsReportedAtEachUse() throws Exception {
    List<String> unknown = inAnother("fast");
    assertEquals(2, unknown.size(), unknown.toString());
    for (String line : unknown) {
      assertEquals(
          "java.lang.UnsatisfiedLinkError: WXTOKEN_JAVA is fast: set it to ffm or jna, or unset it",
          line);
    }
    assertEquals(List.of("jna", "null"), inAnother("jna"));
    List<String> foreign = inAnother("ffm");
    if (Runtime.version().feature() >= 22) {
      assertEquals(List.of("ffm", "null"), foreign);
    } else {
      assertTrue(foreign.get(0).contains("cannot use foreign functions: this Java lacks"));
      assertEquals(foreign.get(0), foreign.get(1));
    }
  }

  @Test
  void theSameTokenIsReturnedAgainUntilItChanges() {
    Account account = Simulator.account();
    try (Store store = Simulator.store(directory.resolve("tokens.db"), account)) {
      Token first = store.token("shop");
      assertSame(first, store.token("shop"));
      assertSame(first, store.token());
      account.revoke();
      store.reject("shop", first);
      Token second = store.token("shop");
      assertNotSame(first, second);
      assertSame(second, store.token("shop"));
      assertEquals(0, Simulator.errcode("official", second.value()));
    }
  }

  @Test
  void aKnownTokenIsReturnedWithoutAnAllocation() {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    Options seldom = new Options().revalidate(Duration.ofMinutes(1));
    try (Store store = Simulator.store(directory.resolve("tokens.db"), seldom)) {
      Account account = Simulator.account();
      store.register("shop", account.kind(), account.id(), account.secret());
      int calls = 20_000;
      long before = 0;
      // The first round is run by the interpreter.
      for (int round = 0; round < 2; round++) {
        before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < calls; i++) {
          store.token("shop");
        }
      }
      long perCall = (threads.getCurrentThreadAllocatedBytes() - before) / calls;
      assertTrue(perCall < 8, perCall + " bytes for each call");
    }
  }

  @Test
  void alternatingNamesOfAnyLengthAreNotConfused() {
    Account account = Simulator.account();
    try (Store store = Simulator.store(directory.resolve("tokens.db"), account)) {
      List<String> names = List.of("店铺", "b".repeat(128), "shop", "bb", "b", "é");
      for (String name : names) {
        Account own = Simulator.account();
        store.register(name, own.kind(), own.id(), own.secret());
      }
      List<Token> tokens = names.stream().map(store::token).toList();
      assertEquals(names.size(), tokens.stream().distinct().count());
      for (String tooLong : List.of("x".repeat(5000), "y".repeat(300))) {
        WxTokenException refused = assertThrows(WxTokenException.class, () -> store.token(tooLong));
        assertEquals(Status.ARGUMENT, refused.status());
      }
      for (int i = 0; i < names.size(); i++) {
        assertEquals(tokens.get(i), store.token(names.get(i)));
        assertEquals(tokens.get(0), store.token("店铺"));
      }
      assertThrows(WxTokenException.class, () -> store.token("shop\0"));
      assertEquals(tokens.get(2), store.token("shop"));
    }
  }

  @Test
  void moreThreadsWaitThanThereArePlacesAndACloseWaitsForAll() throws Exception {
    Account account = Simulator.account(Kind.OFFICIAL, Map.of("delay_ms", 500));
    ExecutorService threads = Executors.newCachedThreadPool();
    try {
      Store store = Simulator.store(directory.resolve("tokens.db"), account);
      List<Future<Token>> gets = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        gets.add(threads.submit(() -> store.token("shop")));
      }
      while (account.counter("requests") == 0) {
        Thread.onSpinWait();
      }
      // Some threads may not have begun and are refused. A thread inside the library still gets its
      // token.
      store.close();
      assertEquals(0, account.counter("in_flight"), "closed while a call was inside");
      int answered = 0;
      for (Future<Token> get : gets) {
        answered += isAnswered(get) ? 1 : 0;
      }
      assertTrue(answered > 0);
      assertEquals(1, account.counter("requests"));
    } finally {
      threads.shutdownNow();
    }
  }

  private static boolean isAnswered(Future<Token> get) throws InterruptedException {
    try {
      return get.get() != null;
    } catch (ExecutionException e) {
      assertTrue(e.getMessage().contains("this Store is closed"), e.getMessage());
      return false;
    }
  }

  /**
   * Returns the output of a process that uses the package twice with the requested implementation.
   */
  private List<String> inAnother(String way) throws Exception {
    Path program =
        Files.writeString(
            directory.resolve("Twice.java"),
            "public class Twice { public static void main(String[] a) {"
                + " try { System.out.println(io.github.libwxtoken.Store.implementation()); }"
                + " catch (Throwable e) { System.out.println(e); }"
                + " Object of = null; try {"
                + " io.github.libwxtoken.Store.open(java.nio.file.Path.of(a[0])).close(); }"
                + " catch (Throwable e) { of = e; } System.out.println(of); } }");
    List<String> command = new ArrayList<>(ExamplesTest.java(program.toString()));
    command.add(directory.resolve("tokens.db").toString());
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("WXTOKEN_JAVA", way);
    Process process = builder.redirectError(ProcessBuilder.Redirect.DISCARD).start();
    List<String> said = new String(process.getInputStream().readAllBytes()).lines().toList();
    assertEquals(0, process.waitFor());
    return said;
  }
}
