package io.github.libwxtoken;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The options of a store, passed when it is opened. The description of each begins with its
 * default, which {@code $WXTOKEN_<OPTION>}, in capitals, replaces. Plain http is accepted for a
 * loopback address. With {@code allow_plain_http}, set before the URL, it is also accepted for a
 * private address.
 */
public final class Options {
  final Map<String, String> values = new LinkedHashMap<>();

  /** {@code https://api.weixin.qq.com}, a URL: official accounts, mini programs. */
  public Options apiBaseUrl(URI url) {
    return with("api_base_url", url.toString());
  }

  /** {@code https://qyapi.weixin.qq.com}, a URL: WeCom. */
  public Options workBaseUrl(URI url) {
    return with("work_base_url", url.toString());
  }

  /** {@code 8000}, 1 to 600000 ms: the longest a call waits; saving may add 2 s. */
  public Options timeout(Duration time) {
    return with("timeout_ms", String.valueOf(time.toMillis()));
  }

  /** {@code 3000}, 1 to 600000 ms: for DNS, again for connect and TLS together. */
  public Options connectTimeout(Duration time) {
    return with("connect_timeout_ms", String.valueOf(time.toMillis()));
  }

  /** {@code 270}, 0 to 3600 s: how early to refresh; 1/10 of a life at most. */
  public Options refreshAhead(Duration time) {
    return with("refresh_ahead_s", String.valueOf(time.toSeconds()));
  }

  /** {@code 0}, 0 or 1: 1: a thread refreshes ahead; no caller waits. */
  public Options backgroundRefresh(boolean on) {
    return with("background_refresh", on ? "1" : "0");
  }

  /** {@code 200}, 0 to 60000 ms: how soon another process's change is seen. */
  public Options revalidate(Duration time) {
    return with("revalidate_ms", String.valueOf(time.toMillis()));
  }

  /** {@code none}, a URL: http:// or socks5h://[user:pass@]host:port. */
  public Options proxy(URI url) {
    return with("proxy", url.toString());
  }

  /** {@code none}, a path: extra PEM certificates to trust. */
  public Options caFile(Path file) {
    return with("ca_file", file.toString());
  }

  /** {@code <store>.key}, a path: the key that seals the secrets. */
  public Options keyFile(Path file) {
    return with("key_file", file.toString());
  }

  /** {@code none}, a client key: this program's key at a wxtoken server. */
  public Options serverKey(String key) {
    return with("server_key", key);
  }

  /** {@code none}, a path: the file of that key. */
  public Options serverKeyFile(Path file) {
    return with("server_key_file", file.toString());
  }

  /** Sets any option, by its name in C. */
  public Options with(String option, String value) {
    values.put(option, value);
    return this;
  }
}
