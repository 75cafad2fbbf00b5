package io.github.libwxtoken;

/** Why a call failed. The names are those of wxtoken.h without {@code WXTOKEN_E_}. */
public enum Status {
  /** A status of a newer library than this package. */
  UNKNOWN,
  /** An argument cannot be used, or the store is closed. Nothing was changed. */
  ARGUMENT,
  /** There is no such account in this store, or the parent that it needs is not there. */
  ACCOUNT,
  /** The store cannot be opened, read or written, or is not ours. */
  STORE,
  /** There is no valid token, and what it takes to fetch one is missing. */
  SECRET,
  /** WeChat was not reached: DNS, connect, TLS, or a reset. */
  NETWORK,
  /** WeChat's host answered, but with something that is no token reply. */
  REPLY,
  /** WeChat answered an errcode. */
  API,
  /** {@code timeout_ms} passed. */
  TIMEOUT,
  /** A defect in the library. */
  INTERNAL;

  /** The name of its constant in C, such as {@code WXTOKEN_E_API}. */
  public String constant() {
    return "WXTOKEN_E_" + name();
  }

  // The ordinals are the numbers in C, which are never reused.
  static Status of(int number) {
    return number > 0 && number < values().length ? values()[number] : UNKNOWN;
  }
}
