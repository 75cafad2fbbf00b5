package io.github.libwxtoken;

/**
 * Describes why a call failed. The message says what failed, on what, and what to do. It contains
 * no secret and no token.
 */
public final class WxTokenException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final Status status;
  private final int errcode;
  private final long retryAfterMs;

  WxTokenException(Status status, int errcode, long retryAfterMs, String message) {
    super(message);
    this.status = status;
    this.errcode = errcode;
    this.retryAfterMs = retryAfterMs;
  }

  static WxTokenException badArgument(String message) {
    return new WxTokenException(Status.ARGUMENT, 0, 0, message);
  }

  static WxTokenException closed() {
    return badArgument("this Store is closed: open another");
  }

  public Status status() {
    return status;
  }

  /** Returns WeChat's errcode with {@link Status#API}, else 0. */
  public int errcode() {
    return errcode;
  }

  /**
   * Returns the milliseconds to wait before another try makes sense. 0 means at once, or unknown.
   */
  public long retryAfterMs() {
    return retryAfterMs;
  }
}
