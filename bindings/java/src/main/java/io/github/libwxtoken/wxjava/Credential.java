package io.github.libwxtoken.wxjava;

import io.github.libwxtoken.Store;

/**
 * A token or ticket of a store, as a client of WxJava handles it: it gets one, and when WeChat
 * refuses that, it calls the one that it has expired, in the same thread.
 */
final class Credential {
  private final Store store;
  private final String name;
  // By thread: another may have been served a newer one meanwhile, which is good.
  private final ThreadLocal<String> served = new ThreadLocal<>();

  Credential(Store store, String name) {
    this.store = store;
    this.name = name;
  }

  String get() {
    String value = store.token(name).value();
    served.set(value);
    return value;
  }

  /** Rejects what this thread was served last. */
  void expire() {
    String value = served.get();
    if (value != null) {
      store.reject(name, value);
    }
  }

  long expiresTime() {
    return store.token(name).expiresAt().toEpochMilli();
  }

  /** What a client does with a token that it has fetched by itself. */
  static UnsupportedOperationException fetchedByItself() {
    return new UnsupportedOperationException("tokens come from the store: do not force a refresh");
  }
}
