package io.github.libwxtoken.wxjava;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import cn.binarywang.wx.miniapp.api.impl.WxMaServiceImpl;
import com.google.gson.JsonObject;
import io.github.libwxtoken.Kind;
import io.github.libwxtoken.Second;
import io.github.libwxtoken.Simulator;
import io.github.libwxtoken.Simulator.Account;
import io.github.libwxtoken.Store;
import io.github.libwxtoken.Token;
import io.github.libwxtoken.WxTokenException;
import java.io.NotSerializableException;
import java.io.ObjectOutput;
import java.io.ObjectOutputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import me.chanjar.weixin.common.bean.WxJsapiSignature;
import me.chanjar.weixin.common.enums.TicketType;
import me.chanjar.weixin.common.error.WxErrorException;
import me.chanjar.weixin.cp.api.impl.WxCpServiceImpl;
import me.chanjar.weixin.mp.api.impl.WxMpServiceImpl;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The real clients of WxJava, in two processes, with the store and on their own. */
class WxJavaTest {
  private static final Map<String, Integer> LONG = Map.of("lifetime_ms", 7_200_000);
  // Far longer than the first calls of two JVMs take, and short enough to wait for.
  private static final Map<String, Integer> SHORT = Map.of("lifetime_ms", 8_000);

  @TempDir Path directory;

  @ParameterizedTest
  @EnumSource(Client.class)
  void twoProcessesThroughAnExpiryARevocationAndARefreshByOneOfThem(Client client)
      throws Exception {
    byTheStoreEachEventCostsOneMint(client);
    byThemselvesTheyFetchTwiceAsOften(client);
  }

  private void byTheStoreEachEventCostsOneMint(Client client) throws Exception {
    Account account = Simulator.account(client.kind, SHORT);
    Path path = directory.resolve("tokens.db");
    try (Store store = Simulator.store(path, account);
        Second there = client.inASecondProcess(account.id(), "", path)) {
      Client.Call here = client.with(account.id(), null, store);
      here.make();
      call(there);
      assertCounts(account, 1, 1, "the first token serves both");

      expire(store);
      account.change(LONG);
      here.make();
      call(there);
      assertCounts(account, 2, 2, "an expiry");

      account.change(SHORT);
      account.revoke();
      here.make();
      call(there);
      assertCounts(account, 3, 3, "a revocation");

      expire(store);
      account.change(LONG);
      call(there);
      here.make();
      assertCounts(account, 4, 4, "a refresh by the other process");
    }
  }

  private void byThemselvesTheyFetchTwiceAsOften(Client client) throws Exception {
    // WeCom returns the same token while it is good, so the second fetch mints none.
    int each = client.kind == Kind.WORK ? 1 : 2;
    Account account = Simulator.account(client.kind, LONG);
    try (Second there = client.inASecondProcess(account.id(), account.secret(), null)) {
      Client.Call here = client.with(account.id(), account.secret(), null);
      here.make();
      call(there);
      assertCounts(account, 2, each, "the first token");

      account.advance();
      here.make();
      call(there);
      assertCounts(account, 4, 2 * each, "an expiry");

      account.revoke();
      here.make();
      call(there);
      assertCounts(account, 6, 3 * each, "a revocation");

      account.advance();
      call(there);
      here.make();
      assertCounts(account, 8, 4 * each, "a refresh by the other process");
    }
  }

  @ParameterizedTest
  @EnumSource(Client.class)
  void manyCallsAtOnceThatAreRefusedCostOneMint(Client client) throws Exception {
    Account account = Simulator.account(client.kind, Map.of());
    ExecutorService threads = Executors.newFixedThreadPool(16);
    try (Store store = Simulator.store(directory.resolve("tokens.db"), account)) {
      Client.Call call = client.with(account.id(), null, store);
      call.make();
      account.revoke();
      List<Future<Object>> calls = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        calls.add(threads.submit(call::make));
      }
      for (Future<Object> one : calls) {
        one.get();
      }
      assertCounts(account, 2, 2, "a revocation");
    } finally {
      threads.shutdownNow();
    }
  }

  @ParameterizedTest
  @EnumSource(Client.class)
  void aFailureOfTheStoreIsTheFailureOfTheCall(Client client) {
    Account account = Simulator.account(client.kind, Map.of());
    Account wrong = new Account(account.kind(), account.id(), "wrong");
    try (Store store = Simulator.store(directory.resolve("tokens.db"), wrong)) {
      Client.Call call = client.with(account.id(), null, store);
      assertThrows(WxTokenException.class, call::make);
      assertEquals(1, account.counter("requests"));
    }
  }

  @Test
  void pagesOfAnOfficialAccountAreSignedWithTheTicketOfTheStore() throws Exception {
    Account account = Simulator.account();
    try (Store store = Simulator.store(directory.resolve("tokens.db"), account)) {
      WxMpStoreConfig config = new WxMpStoreConfig(account.id(), store, "shop");
      config.setHostConfig(Client.host());
      WxMpServiceImpl service = new WxMpServiceImpl();
      service.setWxMpConfigStorage(config);

      accepted(account, service.createJsapiSignature("https://shop.example/goods"));
      Token card = store.token("shop/card_ticket");
      assertEquals(card.value(), service.getTicket(TicketType.WX_CARD));
      assertEquals(card.value(), config.getCardApiTicket());
      assertEquals(millis(card), config.getCardApiTicketExpiresTime());
      Token page = store.token("shop/jsapi_ticket");
      assertEquals(page.value(), config.getJsapiTicket());
      assertEquals(millis(page), config.getJsapiTicketExpiresTime());
      assertEquals(service.getAccessToken(), store.token("shop").value());
      assertEquals(millis(store.token("shop")), config.getExpiresTime(), "its end");
      showsNoToken(config, store);
      areForciblyRefreshed(
          account, service::getJsapiTicket, force -> service.getTicket(TicketType.WX_CARD, force));
    }
  }

  @Test
  void theTicketsOfAMiniProgramComeFromTheStore() throws Exception {
    Account account = Simulator.account();
    try (Store store = Simulator.store(directory.resolve("tokens.db"), account)) {
      WxMaStoreConfig config = new WxMaStoreConfig(account.id(), store, "shop");
      config.setApiHostUrl(Simulator.HTTP);
      WxMaServiceImpl service = new WxMaServiceImpl();
      service.setWxMaConfig(config);

      accepted(account, service.getJsapiService().createJsapiSignature("https://shop.example/"));
      Token card = store.token("shop/card_ticket");
      assertEquals(card.value(), service.getJsapiService().getCardApiTicket());
      assertEquals(millis(card), config.getCardApiTicketExpiresTime());
      Token page = store.token("shop/jsapi_ticket");
      assertEquals(millis(page), config.getJsapiTicketExpiresTime());
      showsNoToken(config, store);
      areForciblyRefreshed(
          account,
          service.getJsapiService()::getJsapiTicket,
          service.getJsapiService()::getCardApiTicket);
    }
  }

  @Test
  void pagesInWeComAreSignedWithTheTicketsOfTheStore() throws Exception {
    Account account = Simulator.account(Kind.WORK, Map.of());
    try (Store store = Simulator.store(directory.resolve("tokens.db"), account)) {
      WxCpStoreConfig config = new WxCpStoreConfig(account.id(), 1, store, "shop");
      config.setBaseApiUrl(Simulator.HTTP);
      WxCpServiceImpl service = new WxCpServiceImpl();
      service.setWxCpConfigStorage(config);

      accepted(account, service.createJsapiSignature("https://shop.example/goods"));
      assertEquals(store.token("shop/agent_ticket").value(), service.getAgentJsapiTicket());
      Token page = store.token("shop/jsapi_ticket");
      assertEquals(millis(page), config.getJsapiTicketExpiresTime());
      showsNoToken(config, store);
      areForciblyRefreshed(account, service::getJsapiTicket, service::getAgentJsapiTicket);
    }
  }

  @Test
  void aForcedRefreshIsRefused() {
    Account account = Simulator.account();
    try (Store store = Simulator.store(directory.resolve("tokens.db"), account)) {
      WxMpStoreConfig config = new WxMpStoreConfig(account.id(), store, "shop");
      config.setSecret(account.secret());
      config.setHostConfig(Client.host());
      WxMpServiceImpl service = new WxMpServiceImpl();
      service.setWxMpConfigStorage(config);
      assertThrows(UnsupportedOperationException.class, () -> service.getAccessToken(true));
    }
  }

  @Test
  void aThreadExpiresOnlyTheTokenThatItWasGiven() throws Exception {
    Account account = Simulator.account();
    ExecutorService elsewhere = Executors.newSingleThreadExecutor();
    try (Store store = Simulator.store(directory.resolve("tokens.db"), account)) {
      WxMpStoreConfig config = new WxMpStoreConfig(account.id(), store, "shop");
      String older = config.getAccessToken();
      elsewhere.submit(config::expireAccessToken).get();
      account.revoke();
      assertEquals(older, store.token("shop").value(), "expired by a thread that was served none");

      elsewhere.submit(config::getAccessToken).get();
      elsewhere.submit(config::expireAccessToken).get();
      String newer = store.token("shop").value();
      assertNotEquals(older, newer);
      config.expireAccessToken();
      assertEquals(newer, store.token("shop").value(), "expired by a thread that has an older one");
      assertCounts(account, 2, 2, "a revocation");
    } finally {
      elsewhere.shutdownNow();
    }
  }

  @Test
  void aConfigurationIsNotSerializable() throws Exception {
    Account account = Simulator.account();
    try (Store store = Simulator.store(directory.resolve("tokens.db"), account)) {
      for (Object config :
          List.of(
              new WxMpStoreConfig(account.id(), store, "shop"),
              new WxCpStoreConfig(account.id(), 1, store, "shop"))) {
        ObjectOutput out = new ObjectOutputStream(OutputStream.nullOutputStream());
        Exception refusal =
            assertThrows(NotSerializableException.class, () -> out.writeObject(config));
        assertEquals(
            config.getClass().getName() + " has an open Store: create a new one in each process",
            refusal.getMessage());
      }
    }
  }

  private interface Ticket {
    String get(boolean force) throws WxErrorException;
  }

  /**
   * Refreshes the tickets in threads that were given none. WeChat refuses a ticket only in a page.
   */
  private static void areForciblyRefreshed(Account account, Ticket... tickets) throws Exception {
    List<String> before = new ArrayList<>();
    for (Ticket ticket : tickets) {
      before.add(ticket.get(false));
    }
    account.revoke();
    for (int i = 0; i < tickets.length; i++) {
      Ticket ticket = tickets[i];
      FutureTask<String> forced = new FutureTask<>(() -> ticket.get(true));
      new Thread(forced).start();
      assertNotEquals(before.get(i), forced.get(), "a refresh by force");
    }
  }

  private static long millis(Token token) {
    return token.expiresAt().toEpochMilli();
  }

  private static void call(Second there) {
    there.ask("call");
    assertEquals("", there.answer());
  }

  private static void assertCounts(Account account, int requests, int minted, String event) {
    assertEquals(requests, account.counter("requests"), event);
    assertEquals(minted, account.counter("minted"), event);
  }

  // The simulator counts in milliseconds, and a reply in seconds.
  private static void expire(Store store) throws InterruptedException {
    Duration left = Duration.between(Instant.now(), store.token("shop").expiresAt());
    Thread.sleep(Math.max(0, left.toMillis()) + 1_050);
  }

  private static void accepted(Account account, WxJsapiSignature signed) {
    JsonObject page =
        Simulator.json(
            Map.of(
                "appid", account.id(),
                "url", signed.getUrl(),
                "noncestr", signed.getNonceStr(),
                "timestamp", String.valueOf(signed.getTimestamp()),
                "signature", signed.getSignature()));
    assertEquals("{\"ok\":true}", Simulator.post("/js_config", page).toString());
  }

  private static void showsNoToken(Object config, Store store) {
    assertFalse(config.toString().contains(store.token("shop").value()), config.toString());
  }
}
