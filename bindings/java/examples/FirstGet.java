import io.github.libwxtoken.Store;
import io.github.libwxtoken.WxTokenException;
import java.time.Duration;
import java.time.Instant;

/**
 * Registers an account and gets its token, with settings from the environment.
 *
 * <pre>
 * WXTOKEN_STORE        the store (the library reads it)
 * WXTOKEN_ID           appid or corpid; without it, "demo" must be in the store already
 * WXTOKEN_SECRET       its secret
 * WXTOKEN_KIND         its kind, "official" unless given
 * </pre>
 */
class FirstGet {
  public static void main(String[] arguments) {
    try (Store store = Store.open()) {
      String id = System.getenv("WXTOKEN_ID");
      if (id != null) {
        String kind = System.getenv().getOrDefault("WXTOKEN_KIND", "official");
        store.register("demo", kind, id, System.getenv("WXTOKEN_SECRET"));
      }
      long start = System.nanoTime();
      var token = store.token("demo");
      long microseconds = (System.nanoTime() - start) / 1000;
      String value = token.value();
      System.out.printf(
          "java  %s…%s  %d chars  expires in %d s  %d us%n",
          value.substring(0, 8),
          value.substring(value.length() - 4),
          value.length(),
          Duration.between(Instant.now(), token.expiresAt()).toSeconds(),
          microseconds);
    } catch (WxTokenException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }
}
