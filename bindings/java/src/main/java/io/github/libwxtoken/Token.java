package io.github.libwxtoken;

import java.time.Instant;
import java.util.Objects;

/** A token. As a string it does not show its value. */
public final class Token {
  // Transient, so that Gson, which reads fields, does not write it.
  private final transient String value;
  private final transient Instant expiresAt;

  Token(String value, Instant expiresAt) {
    this.value = value;
    this.expiresAt = expiresAt;
  }

  public String value() {
    return value;
  }

  /**
   * Returns when the token expires, or null if it does not. It may be revoked earlier: see {@link
   * Store#reject}.
   */
  public Instant expiresAt() {
    return expiresAt;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Token token
        && value.equals(token.value)
        && Objects.equals(expiresAt, token.expiresAt);
  }

  @Override
  public int hashCode() {
    return value.hashCode();
  }

  @Override
  public String toString() {
    String end = expiresAt == null ? "without an end" : "until " + expiresAt;
    return "Token of " + value.length() + " characters " + end;
  }
}
