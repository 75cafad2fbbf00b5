import io.github.libwxtoken.Options;
import io.github.libwxtoken.Store;
import io.github.libwxtoken.wxjava.WxMpStoreConfig;
import me.chanjar.weixin.mp.api.impl.WxMpServiceImpl;
import me.chanjar.weixin.mp.config.WxMpHostConfig;

/**
 * Asks WeChat for its callback addresses through WxJava, with a token of the store. It reads the
 * same environment variables as FirstGet.java. If WXSIM_HTTP is set, the simulator answers.
 */
class CallbackIps {
  public static void main(String[] arguments) throws Exception {
    String id = System.getenv("WXTOKEN_ID");
    String simulator = System.getenv("WXSIM_HTTP");
    Options options = new Options();
    if (simulator != null) {
      options.with("api_base_url", simulator);
    }
    try (Store store = Store.open(options)) {
      store.register("demo", "official", id, System.getenv("WXTOKEN_SECRET"));
      WxMpStoreConfig config = new WxMpStoreConfig(id, store, "demo");
      if (simulator != null) {
        WxMpHostConfig host = new WxMpHostConfig();
        host.setApiHost(simulator);
        config.setHostConfig(host);
      }
      WxMpServiceImpl service = new WxMpServiceImpl();
      service.setWxMpConfigStorage(config);
      System.out.printf("java, WxJava  %d callback addresses%n", service.getCallbackIP().length);
    }
  }
}
