package io.github.libwxtoken;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;

/** The simulator of WeChat that {@code wechat-sim exec} has started. */
public final class Simulator {
  public static final String HTTP = variable("WXSIM_HTTP");
  public static final String HTTPS = variable("WXSIM_HTTPS");
  public static final String CA = variable("WXSIM_CA");
  private static final String CONTROL = variable("WXSIM_CONTROL");
  private static final HttpClient CLIENT =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  /** An account that no other test uses. */
  public record Account(Kind kind, String id, String secret) {
    /** Changes fields of the account in the simulator. */
    public void change(Map<String, ?> fields) {
      JsonObject body = json(fields);
      body.addProperty("kind", kind.toString());
      body.addProperty("id", id);
      body.addProperty("secret", secret);
      post("/accounts", body);
    }

    public int counter(String field) {
      return counters(id).get(field).getAsInt();
    }

    /** Revokes the account's tokens. */
    public void revoke() {
      post("/revoke", json(Map.of("id", id, "which", "all")));
    }

    /** Moves the account's time by two hours. */
    public void advance() {
      post("/advance", json(Map.of("id", id, "ms", 7_200_000)));
    }

    /** Makes the account's next token request fail. */
    public void fault(String kind) {
      post("/faults", json(Map.of("id", id, "kind", kind)));
    }
  }

  public static Account account(Kind kind, Map<String, ?> more) {
    String prefix = kind == Kind.WORK ? "ww" : "wx";
    Account account = new Account(kind, prefix + hex(8), hex(16));
    account.change(more);
    return account;
  }

  public static Account account() {
    return account(Kind.OFFICIAL, Map.of());
  }

  /** Opens a store against the simulator. */
  public static Store store(Path path, Options options) {
    options.values.putIfAbsent("api_base_url", HTTP);
    options.values.putIfAbsent("work_base_url", HTTP);
    return Store.open(path, options);
  }

  /** Opens a store against the simulator, with an account "shop". */
  public static Store store(Path path, Account account) {
    Store store = store(path, new Options());
    store.register("shop", account.kind(), account.id(), account.secret());
    return store;
  }

  public static JsonObject post(String path, JsonElement body) {
    return postTo(CONTROL + path, body);
  }

  public static JsonObject postTo(String address, JsonElement body) {
    return ask(
        HttpRequest.newBuilder(URI.create(address))
            .POST(BodyPublishers.ofString(body.toString()))
            .build());
  }

  public static JsonObject counters(String id) {
    return ask(HttpRequest.newBuilder(URI.create(CONTROL + "/counters?id=" + id)).build());
  }

  /** Calls a business API with a token and returns its errcode, 0 if the token is accepted. */
  public static int errcode(String kind, String token) {
    String path = Map.of("official", "getcallbackip", "work", "agent/list").get(kind);
    String query = "?access_token=" + URLEncoder.encode(token, StandardCharsets.UTF_8);
    URI uri = URI.create(HTTP + "/cgi-bin/" + path + query);
    JsonElement errcode = ask(HttpRequest.newBuilder(uri).build()).get("errcode");
    return errcode == null ? 0 : errcode.getAsInt();
  }

  public static String hex(int bytes) {
    Random random = ThreadLocalRandom.current();
    byte[] digits = new byte[bytes];
    random.nextBytes(digits);
    return HexFormat.of().formatHex(digits);
  }

  public static JsonObject json(Map<String, ?> fields) {
    JsonObject object = new JsonObject();
    fields.forEach(
        (name, value) -> {
          if (value instanceof Number number) {
            object.addProperty(name, number);
          } else {
            object.addProperty(name, value.toString());
          }
        });
    return object;
  }

  private static JsonObject ask(HttpRequest request) {
    try {
      HttpResponse<String> answer = CLIENT.send(request, BodyHandlers.ofString());
      if (answer.statusCode() != 200) {
        throw new AssertionError(request.uri() + " answers " + answer.body());
      }
      return JsonParser.parseString(answer.body()).getAsJsonObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static String variable(String name) {
    String value = System.getenv(name);
    if (value == null) {
      throw new AssertionError(name + " is not set: the README says how the tests are run");
    }
    return value;
  }

  private Simulator() {}
}
