package bench;

import cn.binarywang.wx.miniapp.api.WxMaService;
import cn.binarywang.wx.miniapp.api.impl.WxMaServiceImpl;
import cn.binarywang.wx.miniapp.config.impl.WxMaDefaultConfigImpl;
import cn.binarywang.wx.miniapp.config.impl.WxMaRedisBetterConfigImpl;
import me.chanjar.weixin.common.error.WxErrorException;
import me.chanjar.weixin.common.redis.JedisWxRedisOps;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisPool;

/**
 * The cost of a token in WxJava, with its configuration in memory and in Redis, and of a bare GET by Jedis, the client that
 * WxJava uses. Jedis does not support Unix sockets, so all of it goes over TCP. Run it under warm.py and with_redis.py.
 */
public final class WxJava {
  private static final int ROUNDS = 100;
  private static final int CALLS_IN_REDIS = 30;
  private static final int CALLS_IN_MEMORY = 3000;

  /** Keeps the compiler from removing unused results. */
  private static volatile String sink;

  private interface Call {
    String get() throws WxErrorException;
  }

  private WxJava() {}

  // WxJava recommends Redisson. Most users have this.
  @SuppressWarnings("deprecation")
  public static void main(String[] arguments) throws WxErrorException {
    String token = System.getenv("WXBENCH_TOKEN");
    int port = Integer.parseInt(System.getenv("WXBENCH_REDIS_PORT"));
    try (JedisPool pool = new JedisPool("127.0.0.1", port);
        Jedis bare = pool.getResource()) {
      bare.set("access_token", token);
      WxMaService inMemory = service(new WxMaDefaultConfigImpl(), token);
      WxMaService inRedis =
          service(new WxMaRedisBetterConfigImpl(new JedisWxRedisOps(pool), "bench"), token);
      for (int round = 0; round < ROUNDS; round++) {
        say("wxjava-memory", CALLS_IN_MEMORY, inMemory::getAccessToken);
        say("wxjava-redis", CALLS_IN_REDIS, inRedis::getAccessToken);
        say("jedis", CALLS_IN_REDIS, () -> bare.get("access_token"));
      }
    }
    if (!token.equals(sink)) {
      throw new IllegalStateException("this is not the token of $WXBENCH_TOKEN");
    }
  }

  /** A service with this token. */
  private static WxMaService service(WxMaDefaultConfigImpl config, String token) {
    config.setAppid(System.getenv("WXBENCH_APPID"));
    config.setSecret(System.getenv("WXBENCH_SECRET"));
    config.updateAccessToken(token, 7200);
    WxMaService service = new WxMaServiceImpl();
    service.setWxMaConfig(config);
    return service;
  }

  private static void say(String bench, int calls, Call call) throws WxErrorException {
    long began = System.nanoTime();
    for (int done = 0; done < calls; done++) {
      sink = call.get();
    }
    double ns = (double) (System.nanoTime() - began) / calls;
    System.out.println("{\"bench\":\"" + bench + "\",\"ns\":" + ns + "}");
  }
}
