import io.github.libwxtoken.Store;
import io.github.libwxtoken.WxTokenException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.HexFormat;

/**
 * Signs a page's URL for the JS-SDK and prints the fields that the page passes to wx.config, as
 * JSON.
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
    // Outside a UTF-8 locale, Java cannot read other characters than ASCII, and would sign another
    // URL.
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
      // The ticket stays on the server. The page gets only the signature.
      System.out.println(sign(id, store.token("demo/jsapi_ticket").value(), arguments[0]));
    } catch (WxTokenException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }

  /**
   * Returns the signed fields of wx.config. The page itself adds debug, jsApiList and openTagList.
   *
   * @param url the page's URL, exactly as the browser shows it from https:// to the query, without
   *     the fragment
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
    // Every value has only letters and digits, including an appid or corpid, so nothing is escaped.
    return "{\"appId\":\"%s\",\"timestamp\":%d,\"nonceStr\":\"%s\",\"signature\":\"%s\"}"
        .formatted(appId, timestamp, nonce, HexFormat.of().formatHex(digest));
  }
}
