package io.github.libwxtoken;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Carries out the table of cases that every language's binding must pass: tests/CASES.md. */
class CasesTest {
  /** The socket of a redis-server. If set, the stores of the cases are on it. */
  private static final String REDIS = System.getenv("WXTOKEN_CASES_REDIS");

  /**
   * An address that starts a wxtoken server for each case. If set, the stores of the cases are such
   * servers.
   */
  private static final String CONTROL = System.getenv("WXTOKEN_CASES_SERVER");

  @TempDir Path directory;

  @TestFactory
  Stream<DynamicTest> cases() throws IOException {
    String path = System.getenv("WXTOKEN_CASES");
    assertNotNull(path, "WXTOKEN_CASES must be the path of tests/cases.json");
    JsonObject table = JsonParser.parseString(Files.readString(Path.of(path))).getAsJsonObject();
    List<JsonElement> cases = table.getAsJsonArray("cases").asList();
    assertFalse(cases.isEmpty(), "the table has no cases");
    return cases.stream()
        .map(JsonElement::getAsJsonObject)
        .filter(one -> CONTROL == null || !one.has("not_over_a_server"))
        .map(one -> DynamicTest.dynamicTest(one.get("name").getAsString(), () -> carryOut(one)));
  }

  private void carryOut(JsonObject one) throws IOException {
    one.remove("not_over_a_server");
    assertEquals(Set.of("name", "steps"), one.keySet(), "a key that this runner does not know");
    Run run = new Run(Files.createTempDirectory(directory, "case"));
    int number = 0;
    try {
      for (JsonElement step : one.getAsJsonArray("steps")) {
        number++;
        run.carryOut(step.getAsJsonObject());
      }
    } catch (AssertionError | RuntimeException | IOException e) {
      throw new AssertionError("step " + number + ": " + e.getMessage(), e);
    } finally {
      run.stores.values().forEach(Store::close);
      if (run.operator != null) {
        run.operator.close();
      }
    }
  }

  /** One case being carried out. */
  private static final class Run {
    final Map<String, Store> stores = new HashMap<>();
    final Map<String, String> variables = new HashMap<>();

    /** The key of the server's client, if the store is a server. */
    private String key;

    /** The server's own store, opened as its operator does, if the store is a server. */
    private Store operator;

    Run(Path directory) {
      variables.put("$DIR", directory.toString());
      variables.put(
          "$STORE",
          REDIS == null
              ? directory.resolve("tokens.db").toString()
              : "redis+unix://" + REDIS + "?prefix=" + Simulator.hex(8));
      variables.put("$ID", "wx" + Simulator.hex(8));
      variables.put("$CORP", "ww" + Simulator.hex(8));
      variables.put("$SECRET", Simulator.hex(16));
      variables.put("$HTTP", Simulator.HTTP);
      variables.put("$HTTPS", Simulator.HTTPS);
      variables.put("$CA", Simulator.CA);
      if (CONTROL != null) {
        startServer();
      }
    }

    private void startServer() {
      JsonObject server = Simulator.postTo(CONTROL, new JsonObject());
      variables.put("$STORE", server.get("store").getAsString());
      key = server.get("key").getAsString();
      operator = Store.open(server.get("file").getAsString(), simulated());
    }

    private static Options simulated() {
      return new Options()
          .with("api_base_url", Simulator.HTTP)
          .with("work_base_url", Simulator.HTTP);
    }

    void carryOut(JsonObject raw) throws IOException {
      JsonObject keys = filled(raw).getAsJsonObject();
      JsonElement overAServer = keys.remove("over_a_server");
      if (operator != null && overAServer != null) {
        overAServer.getAsJsonObject().asMap().forEach(keys::add);
      }
      Step step = new Step(keys);
      String verb = step.text("do");
      switch (verb) {
        case "sim" -> sim(step);
        case "counters" -> counters(step);
        case "business" -> business(step);
        case "file" -> file(step);
        default -> library(verb, step);
      }
      step.mustBeEmpty(verb);
    }

    private void library(String verb, Step step) {
      if (!step.has("status")) {
        call(verb, step);
        return;
      }
      String status = step.text("status");
      JsonElement errcode = step.takeOr("errcode", null);
      JsonElement retry = step.takeOr("retry_after_ms", null);
      JsonArray has = step.takeOr("message_has", new JsonArray()).getAsJsonArray();
      JsonArray hides = step.takeOr("message_hides", new JsonArray()).getAsJsonArray();
      WxTokenException failure =
          assertThrows(WxTokenException.class, () -> call(verb, step), "must fail with " + status);
      assertEquals(status, failure.status().constant(), failure.getMessage());
      if (errcode != null) {
        assertEquals(errcode.getAsInt(), failure.errcode());
      }
      if (retry != null) {
        within(retry.getAsJsonArray(), failure.retryAfterMs());
      }
      for (JsonElement part : has) {
        assertTrue(failure.getMessage().contains(part.getAsString()), failure.getMessage());
      }
      for (JsonElement hidden : hides) {
        assertFalse(failure.toString().contains(hidden.getAsString()), failure.toString());
      }
    }

    private void call(String verb, Step step) {
      String handle = step.takeOr("handle", new JsonPrimitive("main")).getAsString();
      if (verb.equals("open")) {
        open(handle, step);
        return;
      }
      Store store = stores.get(handle);
      assertNotNull(store, "no open handle " + handle);
      switch (verb) {
        case "close" -> stores.remove(handle).close();
        case "set" -> store.set(step.text("option"), step.text("value"));
        case "account" -> register(store, step);
        case "put" -> put(store, step);
        case "get" -> get(store, step);
        case "reject" -> store.reject(step.orNull("name"), step.text("token"));
        case "report" -> report(store, step);
        default -> fail("unknown verb " + verb + ": this runner must learn it");
      }
    }

    private void open(String handle, Step step) {
      String path = step.takeOr("store", new JsonPrimitive(variables.get("$STORE"))).getAsString();
      Options options = simulated();
      if (operator != null && path.equals(variables.get("$STORE"))) {
        options.with("server_key", key).with("revalidate_ms", "0");
      }
      step.takeOr("options", new JsonObject())
          .getAsJsonObject()
          .asMap()
          .forEach((name, value) -> options.with(name, value.getAsString()));
      stores.put(handle, Store.open(path, options));
    }

    /** At a server, the operator registers the account first. */
    private void register(Store store, Step step) {
      String account = step.text("account");
      String kind = step.text("kind");
      String id = step.text("id");
      String secret = step.orNull("secret");
      if (operator != null) {
        operator.register(account, kind, id, secret);
      }
      store.register(account, kind, id, secret);
    }

    /** At a server, only the operator may set an account's parent or the current account. */
    private void put(Store store, Step step) {
      String field = step.text("field");
      boolean isOperators = operator != null && Set.of("current", "parent").contains(field);
      (isOperators ? operator : store).put(step.text("account"), field, step.orNull("value"));
    }

    private void get(Store store, Step step) {
      Token token = store.token(step.orNull("name"));
      if (step.has("as")) {
        variables.put("$" + step.text("as"), token.value());
      }
      if (step.has("same_as")) {
        assertEquals(variables.get("$" + step.text("same_as")), token.value());
      }
      if (step.has("other_than")) {
        assertNotEquals(variables.get("$" + step.text("other_than")), token.value());
      }
      if (step.has("expires_in")) {
        long left = token.expiresAt().getEpochSecond() - Instant.now().getEpochSecond();
        within(step.take("expires_in").getAsJsonArray(), left);
      }
    }

    private void report(Store store, Step step) {
      String text = store.report();
      for (var has : step.takeOr("has", new JsonObject()).getAsJsonObject().entrySet()) {
        JsonElement found = JsonParser.parseString(text);
        for (String key : has.getKey().split("\\.")) {
          found =
              found.isJsonArray()
                  ? found.getAsJsonArray().get(Integer.parseInt(key))
                  : found.getAsJsonObject().get(key);
        }
        assertEquals(has.getValue(), found, has.getKey());
      }
      for (JsonElement hidden : step.takeOr("hides", new JsonArray()).getAsJsonArray()) {
        assertFalse(text.contains(hidden.getAsString()), "a secret is in the report");
      }
    }

    private void sim(Step step) {
      JsonObject answer = Simulator.post(step.text("path"), step.take("body"));
      step.takeOr("keep", new JsonObject())
          .getAsJsonObject()
          .asMap()
          .forEach(
              (name, field) ->
                  variables.put("$" + name, answer.get(field.getAsString()).getAsString()));
    }

    private void counters(Step step) {
      JsonObject counted = Simulator.counters(step.text("id"));
      step.take("has")
          .getAsJsonObject()
          .asMap()
          .forEach((field, value) -> assertEquals(value, counted.get(field), field));
    }

    private void business(Step step) {
      int errcode = Simulator.errcode(step.text("kind"), step.text("token"));
      assertEquals(step.take("errcode").getAsInt(), errcode);
    }

    private void file(Step step) throws IOException {
      String path = step.text("path");
      String change = step.text("change");
      switch (change) {
        case "delete" -> delete(path);
        case "directory" -> Files.createDirectory(Path.of(path));
        default -> fail("unknown change " + change + ": this runner must learn it");
      }
    }

    private void delete(String path) throws IOException {
      if (!path.startsWith("redis")) {
        Files.delete(Path.of(path));
        return;
      }
      Process flush = new ProcessBuilder("redis-cli", "-s", REDIS, "FLUSHALL").start();
      assertEquals(0, flush.onExit().join().exitValue(), "the exit code of redis-cli");
    }

    /** Returns a value with the variables replaced in every string, the longest name first. */
    private JsonElement filled(JsonElement value) {
      if (value instanceof JsonObject object) {
        JsonObject filled = new JsonObject();
        object.asMap().forEach((key, item) -> filled.add(key, filled(item)));
        return filled;
      }
      if (value instanceof JsonArray array) {
        JsonArray filled = new JsonArray();
        array.forEach(item -> filled.add(filled(item)));
        return filled;
      }
      if (value instanceof JsonPrimitive primitive && primitive.isString()) {
        String text = primitive.getAsString();
        List<String> names =
            variables.keySet().stream()
                .sorted(Comparator.comparing(String::length).reversed())
                .toList();
        for (String name : names) {
          text = text.replace(name, variables.get(name));
        }
        return new JsonPrimitive(text);
      }
      return value;
    }
  }

  /** A step loses each key that is read, so that the keys left over are unknown ones. */
  private record Step(JsonObject keys) {
    boolean has(String key) {
      return keys.has(key);
    }

    JsonElement take(String key) {
      assertTrue(has(key), "the key " + key + " is missing");
      return keys.remove(key);
    }

    JsonElement takeOr(String key, JsonElement fallback) {
      return has(key) ? take(key) : fallback;
    }

    String text(String key) {
      return take(key).getAsString();
    }

    String orNull(String key) {
      JsonElement value = take(key);
      return value instanceof JsonNull ? null : value.getAsString();
    }

    void mustBeEmpty(String verb) {
      assertEquals(Set.of(), keys.keySet(), "unknown keys of " + verb + ": learn them");
    }
  }

  private static void within(JsonArray bounds, long value) {
    boolean inside = bounds.get(0).getAsLong() <= value && value <= bounds.get(1).getAsLong();
    assertTrue(inside, value + " is not within " + bounds);
  }
}
