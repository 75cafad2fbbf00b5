package io.github.libwxtoken;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import com.google.gson.JsonParser;
import io.github.libwxtoken.Simulator.Account;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class StoreTest {
  @TempDir Path directory;
  private Path path;
  private final ExecutorService threads = Executors.newCachedThreadPool();

  @BeforeEach
  void setPath() {
    path = directory.resolve("tokens.db");
  }

  @AfterEach
  void endThreads() {
    threads.shutdownNow();
  }

  @Test
  void aFailureHasItsStatusErrcodeRetryAndMessageAndNoSecret() {
    Account account = Simulator.account();
    String wrong = account.secret() + "-wrong";
    try (Store store = Simulator.store(path, new Options())) {
      store.register("shop", account.kind(), account.id(), wrong);
      WxTokenException failure = assertThrows(WxTokenException.class, () -> store.token("shop"));
      assertEquals(Status.API, failure.status());
      assertEquals("WXTOKEN_E_API", failure.status().constant());
      assertEquals(40125, failure.errcode());
      assertTrue(failure.retryAfterMs() > 30_000);
      assertTrue(failure.getMessage().contains("40125"), failure.getMessage());
      assertFalse(trace(failure).contains(account.secret()), "the trace shows the secret");
    }
  }

  @Test
  void printingATokenDoesNotShowIt() {
    try (Store store = Simulator.store(path, Simulator.account())) {
      Token token = store.token("shop");
      assertTrue(token.value().length() > 20);
      WxTokenException failure =
          assertThrows(WxTokenException.class, () -> store.reject("nobody", token));
      for (String text :
          List.of(token.toString(), new Gson().toJson(token), store.toString(), trace(failure))) {
        assertFalse(text.contains(token.value()), text);
      }
      assertEquals(token, store.token());
      assertEquals(token.hashCode(), store.token().hashCode());
    }
  }

  @Test
  void aPushedSecretHasNoEndAndATokenDoes() {
    Account platform = Simulator.account(Kind.COMPONENT, Map.of());
    Account customer = Simulator.account(Kind.AUTHORIZER, Map.of("parent", platform.id()));
    try (Store store = Simulator.store(path, new Options())) {
      store.register("platform", platform.kind(), platform.id(), platform.secret());
      String ticket =
          Simulator.post("/push", Simulator.json(Map.of("id", platform.id())))
              .get("ticket")
              .getAsString();
      store.put("platform", "verify_ticket", ticket);
      assertTrue(store.token("platform").expiresAt().isAfter(Instant.now()));
      store.register("customer", Kind.AUTHORIZER, customer.id(), null);
      store.put("customer", "parent", "platform");
      store.put("customer", "refresh_token", customer.secret());
      assertEquals(customer.secret(), store.token("customer/refresh_token").value());
      assertNull(store.token("customer/refresh_token").expiresAt());
    }
  }

  @Test
  void aNulALoneSurrogateOrANullIsRefusedBeforeTheCall() {
    try (Store store = Simulator.store(path, new Options())) {
      for (String bad : List.of("a\0b", "a\ud800b")) {
        List<Executable> calls =
            List.of(
                () -> Store.open(bad, new Options()),
                () -> Store.open(directory.resolve("x.db"), new Options().with("proxy", bad)),
                () -> store.set(bad, "1"),
                () -> store.register(bad, Kind.OFFICIAL, "id", "secret"),
                () -> store.register("shop", bad, "id", "secret"),
                () -> store.register("shop", Kind.OFFICIAL, bad, "secret"),
                () -> store.register("shop", Kind.OFFICIAL, "id", bad),
                () -> store.put("shop", "current", bad),
                () -> store.setCurrent(bad),
                () -> store.token(bad),
                () -> store.reject("shop", bad));
        calls.forEach(call -> fails(Status.ARGUMENT, call));
      }
      fails(Status.ARGUMENT, () -> store.setCurrent(null));
      fails(Status.ARGUMENT, () -> store.reject("shop", (String) null));
      assertTrue(
          JsonParser.parseString(store.report())
              .getAsJsonObject()
              .getAsJsonArray("accounts")
              .isEmpty());
    }
  }

  @Test
  void optionsHaveTheirOwnTypes() {
    Options options =
        new Options()
            .apiBaseUrl(URI.create(Simulator.HTTPS))
            .workBaseUrl(URI.create(Simulator.HTTPS))
            .timeout(Duration.ofSeconds(5))
            .connectTimeout(Duration.ofSeconds(2))
            .refreshAhead(Duration.ofMinutes(5))
            .backgroundRefresh(true)
            .revalidate(Duration.ofMillis(100))
            .caFile(Path.of(Simulator.CA))
            .keyFile(directory.resolve("key"));
    Account account = Simulator.account();
    try (Store store = Store.open(path, options)) {
      store.register("shop", account.kind(), account.id(), account.secret());
      assertEquals(0, Simulator.errcode("official", store.token("shop").value()));
    }
    WxTokenException failure =
        fails(Status.ARGUMENT, () -> Store.open(path, new Options().with("colour", "red")));
    assertTrue(failure.getMessage().contains("timeout_ms"), failure.getMessage());
  }

  @Test
  void aReportThatOutgrowsItsBufferIsComplete() {
    try (Store store = Simulator.store(path, new Options())) {
      for (int i = 0; i < 40; i++) {
        store.register("店铺 " + i, Kind.OFFICIAL, "wx" + i, "secret");
      }
      var report = JsonParser.parseString(store.report()).getAsJsonObject();
      assertEquals(40, report.getAsJsonArray("accounts").size());
    }
  }

  @Test
  void thirtyTwoThreadsOnAnEmptyStoreCostOneRequest() throws Exception {
    Account account = Simulator.account(Kind.OFFICIAL, Map.of("delay_ms", 200));
    try (Store store = Simulator.store(path, account)) {
      CyclicBarrier start = new CyclicBarrier(32);
      List<Future<Token>> gets = new ArrayList<>();
      for (int i = 0; i < 32; i++) {
        gets.add(
            threads.submit(
                () -> {
                  start.await();
                  return store.token("shop");
                }));
      }
      Set<Token> tokens = new HashSet<>();
      for (Future<Token> get : gets) {
        tokens.add(get.get());
      }
      assertEquals(1, tokens.size());
      assertEquals(1, account.counter("requests"));
      assertEquals(1, account.counter("minted"));
    }
  }

  @Test
  void eightProcessesOnAnEmptyStoreCostOneRequest() {
    Account account = Simulator.account(Kind.OFFICIAL, Map.of("delay_ms", 200));
    try (Store store = Simulator.store(path, account)) {
      List<Second> others = new ArrayList<>();
      try {
        for (int i = 0; i < 8; i++) {
          others.add(new Second(Second.class, path.toString()));
        }
        others.forEach(other -> other.ask("shop"));
        String token = store.token("shop").value();
        others.forEach(other -> assertEquals(token, other.answer()));
      } finally {
        others.forEach(Second::close);
      }
      assertEquals(1, account.counter("requests"));
    }
  }

  @Test
  void aGetUnderWayWhenItsStoreIsClosedStillReturnsItsToken() throws Exception {
    Account account = Simulator.account(Kind.OFFICIAL, Map.of("delay_ms", 5000));
    Store store = Simulator.store(path, account);
    Future<Token> waiting = threads.submit(() -> store.token("shop"));
    while (account.counter("requests") == 0) {
      assertFalse(waiting.isDone());
    }
    Future<?> closing = threads.submit(store::close);
    while (!store.toString().equals("closed Store")) {
      assertFalse(closing.isDone());
    }
    fails(Status.ARGUMENT, () -> store.token("shop"));
    assertFalse(waiting.isDone(), "a late call has waited for an earlier one");
    assertEquals(0, Simulator.errcode("official", waiting.get().value()));
    closing.get();
    List<Executable> late =
        List.of(
            store::token,
            store::report,
            () -> store.set("log", "off"),
            () -> store.register("shop", Kind.OFFICIAL, "id", "secret"),
            () -> store.setCurrent("shop"),
            () -> store.reject("shop", "token"));
    late.forEach(call -> fails(Status.ARGUMENT, call));
    store.close();
  }

  @Test
  void closingUnderLoadEndsEveryCallCleanly() throws Exception {
    Account account = Simulator.account();
    try (Store first = Simulator.store(path, account)) {
      Token expected = first.token("shop");
      for (int round = 0; round < 50; round++) {
        Store store = Simulator.store(path, new Options().revalidate(Duration.ZERO));
        CountDownLatch running = new CountDownLatch(4);
        Callable<Void> load =
            () -> {
              assertEquals(expected, store.token("shop"));
              running.countDown();
              while (true) {
                assertEquals(expected, store.token("shop"));
              }
            };
        List<Future<Void>> loads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
          loads.add(threads.submit(load));
        }
        running.await();
        store.close();
        for (Future<Void> one : loads) {
          ExecutionException ended = assertThrows(ExecutionException.class, one::get);
          assertTrue(ended.getMessage().contains("this Store is closed"), ended.getMessage());
        }
      }
      assertEquals(1, account.counter("requests"));
    }
  }

  @Test
  void aTimeoutAnUnknownAccountAndABadStoreAreDistinguished() {
    Account account = Simulator.account();
    account.fault("hang");
    try (Store store = Simulator.store(path, account)) {
      store.set("timeout_ms", "200");
      fails(Status.TIMEOUT, () -> store.token("shop"));
      fails(Status.ACCOUNT, () -> store.token("nobody"));
      fails(Status.STORE, () -> Store.open(Path.of("/nonexistent/tokens.db")));
    }
  }

  @Test
  void aRejectedTokenIsReplaced() {
    Account account = Simulator.account();
    try (Store store = Simulator.store(path, account)) {
      Token before = store.token("shop");
      account.revoke();
      store.reject("shop", before);
      assertNotEquals(before, store.token("shop"));
      store.reject(null, before);
      assertEquals(2, account.counter("minted"));
    }
  }

  private static WxTokenException fails(Status status, Executable call) {
    WxTokenException failure = assertThrows(WxTokenException.class, call);
    assertEquals(status, failure.status(), failure.getMessage());
    return failure;
  }

  private static String trace(Throwable failure) {
    StringWriter text = new StringWriter();
    failure.printStackTrace(new PrintWriter(text));
    return text.toString();
  }
}
