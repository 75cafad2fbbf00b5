package io.github.libwxtoken.wxjava;

import cn.binarywang.wx.miniapp.api.impl.WxMaServiceImpl;
import cn.binarywang.wx.miniapp.config.impl.WxMaDefaultConfigImpl;
import io.github.libwxtoken.Kind;
import io.github.libwxtoken.Options;
import io.github.libwxtoken.Second;
import io.github.libwxtoken.Simulator;
import io.github.libwxtoken.Store;
import java.nio.file.Path;
import me.chanjar.weixin.common.error.WxErrorException;
import me.chanjar.weixin.cp.api.impl.WxCpServiceImpl;
import me.chanjar.weixin.cp.config.impl.WxCpDefaultConfigImpl;
import me.chanjar.weixin.mp.api.impl.WxMpServiceImpl;
import me.chanjar.weixin.mp.config.WxMpHostConfig;
import me.chanjar.weixin.mp.config.impl.WxMpDefaultConfigImpl;

/**
 * The clients of WxJava, each with a business call, and a main() that runs one in a second process.
 */
enum Client {
  MP(Kind.OFFICIAL) {
    @Override
    Call with(String id, String secret, Store store) {
      WxMpDefaultConfigImpl config =
          store == null ? new WxMpDefaultConfigImpl() : new WxMpStoreConfig(id, store, "shop");
      config.setAppId(id);
      config.setSecret(secret);
      config.setHostConfig(host());
      WxMpServiceImpl service = new WxMpServiceImpl();
      service.setWxMpConfigStorage(config);
      return service::getCallbackIP;
    }
  },
  MA(Kind.OFFICIAL) {
    @Override
    Call with(String id, String secret, Store store) {
      WxMaDefaultConfigImpl config =
          store == null ? new WxMaDefaultConfigImpl() : new WxMaStoreConfig(id, store, "shop");
      config.setAppid(id);
      config.setSecret(secret);
      config.setApiHostUrl(Simulator.HTTP);
      WxMaServiceImpl service = new WxMaServiceImpl();
      service.setWxMaConfig(config);
      return () -> service.get("https://api.weixin.qq.com/cgi-bin/getcallbackip", null);
    }
  },
  CP(Kind.WORK) {
    @Override
    Call with(String id, String secret, Store store) {
      WxCpDefaultConfigImpl config =
          store == null ? new WxCpDefaultConfigImpl() : new WxCpStoreConfig(id, 1, store, "shop");
      config.setCorpId(id);
      config.setCorpSecret(secret);
      config.setBaseApiUrl(Simulator.HTTP);
      WxCpServiceImpl service = new WxCpServiceImpl();
      service.setWxCpConfigStorage(config);
      return () -> service.getAgentService().list();
    }
  };

  final Kind kind;

  Client(Kind kind) {
    this.kind = kind;
  }

  interface Call {
    Object make() throws WxErrorException;
  }

  /**
   * Returns the client's business call, with an account "shop" of a store, or on its own if that is
   * null.
   */
  abstract Call with(String id, String secret, Store store);

  static WxMpHostConfig host() {
    WxMpHostConfig host = new WxMpHostConfig();
    host.setApiHost(Simulator.HTTP);
    return host;
  }

  /** Starts the client in a second process, which answers each line with "" or a failure. */
  Second inASecondProcess(String id, String secret, Path store) {
    return new Second(Client.class, name(), id, secret, store == null ? "" : store.toString());
  }

  public static void main(String[] arguments) {
    String path = arguments[3];
    Store store = path.isEmpty() ? null : Simulator.store(Path.of(path), new Options());
    Call call = valueOf(arguments[0]).with(arguments[1], arguments[2], store);
    Second.serve(
        line -> {
          try {
            call.make();
            return "";
          } catch (WxErrorException | RuntimeException e) {
            return e.toString().replace('\n', ' ');
          }
        });
  }
}
