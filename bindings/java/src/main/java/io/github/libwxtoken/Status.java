package io.github.libwxtoken;

/** The reason why a call failed. The names are those of wxtoken.h without {@code WXTOKEN_E_}. */
public enum Status {
  /** A status of a newer library than this package. */
  UNKNOWN,
  /** An argument cannot be used, or the store is closed. Nothing was changed. */
  ARGUMENT,
  /** The account, or the parent that it needs, is not in this store. */
  ACCOUNT,
  /** The store cannot be opened, read or written, or belongs to another program. */
  STORE,
  /** The store has no valid token and one cannot be fetched. */
  SECRET,
  /** WeChat was not reached: DNS, connect, TLS, or a reset. */
  NETWORK,
  /** The host answered, but the answer is not a valid token reply. */
  REPLY,
  /** WeChat answered with an errcode. */
  API,
  /** {@code timeout_ms} passed. */
  TIMEOUT,
  /** A defect in the library. */
  INTERNAL;

  /** Returns the name of the constant in C, such as {@code WXTOKEN_E_API}. */
  public String constant() {
    return "WXTOKEN_E_" + name();
  }

  // The ordinals are the numbers in C, which are never reused.
  static Status of(int number) {
    return number > 0 && number < values().length ? values()[number] : UNKNOWN;
  }
}
