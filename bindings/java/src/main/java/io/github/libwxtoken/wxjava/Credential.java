package io.github.libwxtoken.wxjava;

import io.github.libwxtoken.Store;
import java.io.NotSerializableException;

/**
 * A token or ticket of a store, as a client of WxJava handles it. The client gets a token. If
 * WeChat refuses it, the client expires that token in the same thread. The client expires a ticket
 * if its caller asks for another, in any thread.
 */
final class Credential {
  private final Store store;
  private final String name;
  // Per thread, because another thread may have been given a newer token meanwhile, which is good.
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
   * Rejects the token that this thread was given last. If the store has another by now, nothing
   * happens. If the thread was given none, nothing happens either, because the store's token may be
   * newer than the one that failed.
   */
  void expireServed() {
    String value = served.get();
    if (value != null) {
      store.reject(name, value);
    }
  }

  /** Rejects the store's current value. */
  void expireStored() {
    store.reject(name, store.token(name).value());
  }

  long expiresTime() {
    return store.token(name).expiresAt().toEpochMilli();
  }

  /** Returns the exception for a client that passes on a token that it has fetched itself. */
  static UnsupportedOperationException fetchedByItself() {
    return new UnsupportedOperationException("tokens come from the store: do not force a refresh");
  }

  /**
   * Returns the exception for writing a configuration to a stream, because a store cannot be
   * serialized.
   */
  static NotSerializableException notSerializable(Class<?> config) {
    return new NotSerializableException(
        config.getName() + " has an open Store: create a new one in each process");
  }
}
