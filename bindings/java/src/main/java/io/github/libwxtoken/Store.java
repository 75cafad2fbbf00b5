package io.github.libwxtoken;

import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * One open store, with options of its own. Any thread may use it, several at once.
 *
 * <p>Every method throws a {@link WxTokenException} when it fails.
 */
public final class Store implements AutoCloseable {
  private final Pointer handle;
  private final long address;
  private final Gets gets = new Gets();
  // Read by each call that is inside the library, but for the gets; close() writes.
  private final ReadWriteLock gate = new ReentrantReadWriteLock();
  private volatile boolean closed;

  private Store(Pointer handle) {
    this.handle = handle;
    address = Pointer.nativeValue(handle);
  }

  /**
   * Opens the default store: {@code $WXTOKEN_STORE}, else {@code
   * $XDG_STATE_HOME/wxtoken/tokens.db}, else {@code ~/.local/state/wxtoken/tokens.db}.
   */
  public static Store open() {
    return open(new Options());
  }

  /** Opens the default store. */
  public static Store open(Options options) {
    return open((String) null, options);
  }

  /** Opens the store in a file. */
  public static Store open(Path path) {
    return open(path, new Options());
  }

  /**
   * Opens the store in a file, and makes it when absent.
   *
   * @param path an SQLite file on a local filesystem, whose directory exists; null is the default
   *     store
   */
  public static Store open(Path path, Options options) {
    return open(path == null ? null : path.toString(), options);
  }

  /** Opens the store that a text names: a path, or a URL. */
  public static Store open(String store) {
    return open(store, new Options());
  }

  /**
   * Opens a store, and makes it when absent. Cheap to repeat: the stores open in a process share
   * what it knows.
   *
   * @param store the path of an SQLite file on a local filesystem, whose directory exists; or a URL
   *     such as {@code redis://HOST}, which no {@link Path} can hold; null is the default store
   */
  public static Store open(String store, Options options) {
    Library.require();
    GetFunction.implementation();
    byte[] name = Library.optionalText("store", store);
    PointerByReference out = new PointerByReference();
    Library.check(error -> Library.wxtoken_init(name, out, error));
    Store opened = new Store(out.getValue());
    try {
      options.values.forEach(opened::set);
    } catch (RuntimeException e) {
      opened.close();
      throw e;
    }
    return opened;
  }

  /** Sets an option by its name in C, as {@link Options} does in opening. */
  public void set(String option, String value) {
    byte[] name = Library.text("option", option);
    byte[] text = Library.text("the value of option " + option, value);
    inside(error -> Library.wxtoken_set(handle, name, text, error));
  }

  /**
   * Registers an account, or updates it. It stays in the store; repeating it is cheap when nothing
   * has changed. The first account of a store becomes the current one.
   *
   * @param account a name of your choosing: 1 to 128 bytes of UTF-8, no '/', no control characters
   * @param id the appid, corpid, suite_id and so on
   * @param secret its secret, sealed in the store and never shown again; null for {@link
   *     Kind#AUTHORIZER}, which has none
   */
  public void register(String account, Kind kind, String id, String secret) {
    register(account, kind.toString(), id, secret);
  }

  /** The same with the kind by its name in C. */
  public void register(String account, String kind, String id, String secret) {
    byte[] name = Library.text("account", account);
    byte[] what = Library.text("kind", kind);
    byte[] which = Library.text("id", id);
    byte[] key = Library.optionalText("secret", secret);
    inside(error -> Library.wxtoken_register(handle, name, what, which, key, error));
  }

  /**
   * Sets a field of an account that is known later than its registration: {@code parent}, {@code
   * verify_ticket}, {@code suite_ticket}, {@code app_ticket}, {@code refresh_token}, {@code
   * current} or {@code retry}.
   */
  public void put(String account, String field, String value) {
    byte[] name = Library.text("account", account);
    byte[] key = Library.text("field", field);
    byte[] text = Library.optionalText("value", value);
    inside(error -> Library.wxtoken_put(handle, name, key, text, error));
  }

  /** Makes this account the one that null names. */
  public void setCurrent(String account) {
    put(account, "current", null);
  }

  /** A token of the current account. */
  public Token token() {
    return token(null);
  }

  /**
   * A token that is valid now, of an account ({@code "shop"}) or another credential of it ({@code
   * "shop/jsapi_ticket"}); null is the current account. Asks WeChat once per expiry among all
   * processes on the store, and blocks for up to {@code timeout_ms} when it has to.
   *
   * <p>Ask for the token at each use rather than keep it.
   */
  public Token token(String name) {
    // Also before the name is looked at.
    mustBeOpen();
    return gets.get(address, name);
  }

  /**
   * Says that the API refused a token (errcode 40001, 40014 or 42001): the next {@link #token}
   * fetches another. If the store has another one by now, nothing happens. Rejects cause at most
   * one fetch per 30 seconds.
   *
   * @param name as for {@link #token}
   */
  public void reject(String name, String token) {
    byte[] which = Library.optionalText("name", name);
    byte[] refused = Library.text("token", token);
    inside(error -> Library.wxtoken_reject(handle, which, refused, error));
  }

  /** The same with a token as it was given. */
  public void reject(String name, Token token) {
    reject(name, token.value());
  }

  /** What there is to know of every account and token, as JSON. No secret and no token is in it. */
  public String report() {
    long[] needed = {4096};
    while (true) {
      byte[] text = new byte[Math.toIntExact(needed[0])];
      try {
        inside(error -> Library.wxtoken_report(handle, text, text.length, needed, error));
        return new String(text, 0, Math.toIntExact(needed[0]) - 1, StandardCharsets.UTF_8);
      } catch (WxTokenException e) {
        // It may grow between two calls.
        if (needed[0] <= text.length) {
          throw e;
        }
      }
    }
  }

  /**
   * Closes it, when the calls that are inside have ended; they take {@code timeout_ms} at most.
   * Later calls fail with {@link Status#ARGUMENT}. Closing twice is fine.
   */
  @Override
  public void close() {
    boolean first;
    synchronized (this) {
      first = !closed;
      closed = true;
    }
    if (first) {
      gets.close();
      gate.writeLock().lock();
      try {
        Library.wxtoken_free(handle);
      } finally {
        gate.writeLock().unlock();
      }
    }
  }

  /** The version of the C library, such as {@code "0.1.0"}. */
  public static String version() {
    Library.require();
    return Library.wxtoken_version();
  }

  /**
   * Which way a {@link #token} is called in this process: {@code "ffm"}, by Java's own foreign
   * functions, or {@code "jna"}.
   */
  public static String implementation() {
    Library.require();
    return GetFunction.implementation();
  }

  @Override
  public String toString() {
    return closed ? "closed Store" : "open Store";
  }

  private void inside(Library.Call call) {
    // Without waiting for a close() that waits for others.
    mustBeOpen();
    gate.readLock().lock();
    try {
      mustBeOpen();
      Library.check(call);
    } finally {
      gate.readLock().unlock();
    }
  }

  private void mustBeOpen() {
    if (closed) {
      throw WxTokenException.closed();
    }
  }
}
