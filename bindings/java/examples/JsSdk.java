import io.github.libwxtoken.Store;
import io.github.libwxtoken.WxTokenException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.HexFormat;

/**
 * Signs a page's URL for the JS-SDK, and prints what the page gives to wx.config as JSON.
 *
 * <pre>
 * java … examples/JsSdk.java 'https://shop.example/page?from=menu#top'
 *
 * WXTOKEN_STORE        the store (the library reads it)
 * WXTOKEN_ID           appid or corpid
 * WXTOKEN_SECRET       its secret, needed once; without it, "demo" must be in the store already
 * WXTOKEN_KIND         its kind, "official" unless given
 * </pre>
 */
class JsSdk {
  public static void main(String[] arguments) throws NoSuchAlgorithmException {
    String id = System.getenv("WXTOKEN_ID");
    if (arguments.length != 1 || id == null) {
      System.err.println("usage: WXTOKEN_ID=... java JsSdk.java URL");
      System.exit(1);
    }
    // Outside a UTF-8 locale, Java has not read what is not ASCII, and would sign another URL.
    if (arguments[0].indexOf('\uFFFD') >= 0) {
      System.err.println("the URL cannot be read in this locale: set LC_ALL=C.UTF-8");
      System.exit(1);
    }
    try (Store store = Store.open()) {
      String secret = System.getenv("WXTOKEN_SECRET");
      if (secret != null && !secret.isEmpty()) {
        String kind = System.getenv().getOrDefault("WXTOKEN_KIND", "official");
        store.register("demo", kind, id, secret);
      }
      // The ticket stays on the server: the page gets the signature only.
      System.out.println(sign(id, store.token("demo/jsapi_ticket").value(), arguments[0]));
    } catch (WxTokenException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }

  /**
   * What wx.config takes, beside debug, jsApiList and openTagList, which are the page's own.
   *
   * @param url the page's, exactly as the browser shows it, from https:// to the query; the
   *     fragment is left out
   */
  static String sign(String appId, String ticket, String url) throws NoSuchAlgorithmException {
    byte[] random = new byte[16];
    new SecureRandom().nextBytes(random);
    String nonce = HexFormat.of().formatHex(random);
    long timestamp = Instant.now().getEpochSecond();
    String page = url.split("#", 2)[0];
    String text =
        "jsapi_ticket=%s&noncestr=%s&timestamp=%d&url=%s".formatted(ticket, nonce, timestamp, page);
    byte[] digest =
        MessageDigest.getInstance("SHA-1").digest(text.getBytes(StandardCharsets.UTF_8));
    // Letters and digits throughout, an appid or corpid too: there is nothing to escape.
    return "{\"appId\":\"%s\",\"timestamp\":%d,\"nonceStr\":\"%s\",\"signature\":\"%s\"}"
        .formatted(appId, timestamp, nonce, HexFormat.of().formatHex(digest));
  }
}
