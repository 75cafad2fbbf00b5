package io.github.libwxtoken.wxjava;

import io.github.libwxtoken.Store;
import java.io.NotSerializableException;

/**
 * A token or ticket of a store, as a client of WxJava handles it. It gets a token, and when WeChat
 * refuses that, it calls the one that it has expired, in the same thread. A ticket it calls expired
 * when its caller wants another, in any thread.
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

  /**
   * Rejects what this thread was served last. If the store has another by now, nothing happens; nor
   * does it where the thread was served none, as what the store has may be newer than what failed.
   */
  void expireServed() {
    String value = served.get();
    if (value != null) {
      store.reject(name, value);
    }
  }

  /** Rejects what the store has now. */
  void expireStored() {
    store.reject(name, store.token(name).value());
  }

  long expiresTime() {
    return store.token(name).expiresAt().toEpochMilli();
  }

  /** What a client does with a token that it has fetched by itself. */
  static UnsupportedOperationException fetchedByItself() {
    return new UnsupportedOperationException("tokens come from the store: do not force a refresh");
  }

  /** What becomes of a configuration that is written to a stream: a store does not cross. */
  static NotSerializableException notSerializable(Class<?> config) {
    return new NotSerializableException(
        config.getName() + " has an open Store: make a new one where it is to be read");
  }
}
