package io.github.libwxtoken;

import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * An open store with its own options. Any number of threads may use it at once.
 *
 * <p>Every method throws a {@link WxTokenException} if it fails.
 */
public final class Store implements AutoCloseable {
  private final Pointer handle;
  private final long address;
  private final Gets gets = new Gets();
  // Read-locked by each call inside the library, except the gets. close() write-locks it.
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
   * Opens the store in a file and creates it if it does not exist.
   *
   * @param path an SQLite file on a local filesystem, in an existing directory; null means the
   *     default store
   */
  public static Store open(Path path, Options options) {
    return open(path == null ? null : path.toString(), options);
  }

  /** Opens the store that a text names, a path or a URL. */
  public static Store open(String store) {
    return open(store, new Options());
  }

  /**
   * Opens a store and creates it if it does not exist. Opening again is cheap, because the stores
   * of a process share a cache.
   *
   * @param store the path of an SQLite file on a local filesystem, in an existing directory; or a
   *     URL such as {@code redis://HOST}, which a {@link Path} cannot hold; null means the default
   *     store
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

  /** Sets an option by its name in C, as {@link Options} does when opening. */
  public void set(String option, String value) {
    byte[] name = Library.text("option", option);
    byte[] text = Library.text("the value of option " + option, value);
    inside(error -> Library.wxtoken_set(handle, name, text, error));
  }

  /**
   * Registers an account, or updates it. It stays in the store. Repeating it is cheap if nothing
   * has changed. The first account of a store becomes the current one.
   *
   * @param account the account's name, which you choose: 1 to 128 bytes of UTF-8, no '/', no
   *     control characters
   * @param id the appid, corpid, suite_id and so on
   * @param secret the app secret, sealed in the store and never shown again; null for {@link
   *     Kind#AUTHORIZER} and {@link Kind#FEISHU_TENANT}, which have none
   */
  public void register(String account, Kind kind, String id, String secret) {
    register(account, kind.toString(), id, secret);
  }

  /** Registers an account whose kind is given by its name in C. */
  public void register(String account, String kind, String id, String secret) {
    byte[] name = Library.text("account", account);
    byte[] what = Library.text("kind", kind);
    byte[] which = Library.text("id", id);
    byte[] key = Library.optionalText("secret", secret);
    inside(error -> Library.wxtoken_register(handle, name, what, which, key, error));
  }

  /**
   * Sets a field of an account that becomes known after its registration: {@code parent}, {@code
   * verify_ticket}, {@code suite_ticket}, {@code app_ticket}, {@code refresh_token}, {@code
   * current} or {@code retry}.
   */
  public void put(String account, String field, String value) {
    byte[] name = Library.text("account", account);
    byte[] key = Library.text("field", field);
    byte[] text = Library.optionalText("value", value);
    inside(error -> Library.wxtoken_put(handle, name, key, text, error));
  }

  /** Makes this account the current one, which null names. */
  public void setCurrent(String account) {
    put(account, "current", null);
  }

  /** Returns a token of the current account. */
  public Token token() {
    return token(null);
  }

  /**
   * Returns a token that is valid now, of an account ({@code "shop"}) or another credential of it
   * ({@code "shop/jsapi_ticket"}). Null means the current account. Asks WeChat once per expiry
   * among all processes on the store, and then blocks for at most {@code timeout_ms}.
   *
   * <p>Call this at each use instead of keeping the token.
   */
  public Token token(String name) {
    // A closed store is reported before the name is checked.
    mustBeOpen();
    return gets.get(address, name);
  }

  /**
   * Reports that the API refused a token (errcode 40001, 40014 or 42001). The next {@link #token}
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

  /** Reports that the API refused a token, given as {@link #token} returned it. */
  public void reject(String name, Token token) {
    reject(name, token.value());
  }

  /** Describes every account and token, as JSON. The report contains no secret and no token. */
  public String report() {
    long[] needed = {4096};
    while (true) {
      byte[] text = new byte[Math.toIntExact(needed[0])];
      try {
        inside(error -> Library.wxtoken_report(handle, text, text.length, needed, error));
        return new String(text, 0, Math.toIntExact(needed[0]) - 1, StandardCharsets.UTF_8);
      } catch (WxTokenException e) {
        // The report may grow between two calls.
        if (needed[0] <= text.length) {
          throw e;
        }
      }
    }
  }

  /**
   * Closes the store after the running calls have ended, which takes at most {@code timeout_ms}.
   * Later calls fail with {@link Status#ARGUMENT}. Closing again does nothing.
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

  /** Returns the version of the C library, such as {@code "0.1.0"}. */
  public static String version() {
    Library.require();
    return Library.wxtoken_version();
  }

  /**
   * Returns how {@link #token} calls the library in this process: {@code "ffm"}, by Java's own
   * foreign functions, or {@code "jna"}.
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
    // Checked first, because close() may hold the lock while it waits for others.
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
