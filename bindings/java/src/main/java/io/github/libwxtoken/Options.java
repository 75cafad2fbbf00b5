package io.github.libwxtoken;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a store is opened with. Units and limits are those of wxtoken_set in wxtoken.h; the default
 * of each option is {@code $WXTOKEN_<OPTION>}, in capitals.
 */
public final class Options {
  final Map<String, String> values = new LinkedHashMap<>();

  /** {@code https://api.weixin.qq.com}; plain http is taken for a loopback address only. */
  public Options apiBaseUrl(URI url) {
    return with("api_base_url", url.toString());
  }

  /** {@code https://qyapi.weixin.qq.com}, for WeCom. */
  public Options workBaseUrl(URI url) {
    return with("work_base_url", url.toString());
  }

  /** 8 s: the longest a call may wait. */
  public Options timeout(Duration time) {
    return with("timeout_ms", String.valueOf(time.toMillis()));
  }

  /** 3 s: for the look-up of a host's name, and again for connect and TLS. */
  public Options connectTimeout(Duration time) {
    return with("connect_timeout_ms", String.valueOf(time.toMillis()));
  }

  /** 270 s: how long before its end a token is refreshed. */
  public Options refreshAhead(Duration time) {
    return with("refresh_ahead_s", String.valueOf(time.toSeconds()));
  }

  /** False; true: a one-shot thread refreshes ahead, and no caller waits for it. */
  public Options backgroundRefresh(boolean on) {
    return with("background_refresh", on ? "1" : "0");
  }

  /** 200 ms: how soon another process's change is seen. */
  public Options revalidate(Duration time) {
    return with("revalidate_ms", String.valueOf(time.toMillis()));
  }

  /** {@code http://[user:password@]host:port} */
  public Options proxy(URI url) {
    return with("proxy", url.toString());
  }

  /** PEM file of certificates to trust beside the web PKI. */
  public Options caFile(Path file) {
    return with("ca_file", file.toString());
  }

  /** {@code <store>.key}: the key that seals the secrets. */
  public Options keyFile(Path file) {
    return with("key_file", file.toString());
  }

  /** Any option, by its name in C. */
  public Options with(String option, String value) {
    values.put(option, value);
    return this;
  }
}
