package io.github.libwxtoken.wxjava;

import io.github.libwxtoken.Store;
import java.io.IOException;
import java.io.ObjectOutputStream;
import me.chanjar.weixin.common.enums.TicketType;
import me.chanjar.weixin.mp.config.impl.WxMpDefaultConfigImpl;

/**
 * A configuration of weixin-java-mp that takes access tokens, jsapi tickets and card tickets from a
 * store. It needs no secret. Everything else is as in its parent.
 */
public class WxMpStoreConfig extends WxMpDefaultConfigImpl {
  private static final long serialVersionUID = 1;

  private final transient Credential accessToken;
  private final transient Credential jsapiTicket;
  private final transient Credential cardTicket;

  /**
   * @param account an account of the store, of kind official, official_classic or authorizer
   */
  public WxMpStoreConfig(String appId, Store store, String account) {
    setAppId(appId);
    accessToken = new Credential(store, account);
    jsapiTicket = new Credential(store, account + "/jsapi_ticket");
    cardTicket = new Credential(store, account + "/card_ticket");
  }

  @Override
  public String getAccessToken() {
    return accessToken.get();
  }

  @Override
  public boolean isAccessTokenExpired() {
    return false;
  }

  @Override
  public void expireAccessToken() {
    accessToken.expireServed();
  }

  @Override
  public long getExpiresTime() {
    return accessToken.expiresTime();
  }

  @Override
  public synchronized void updateAccessToken(String token, int expiresInSeconds) {
    throw Credential.fetchedByItself();
  }

  @Override
  public String getTicket(TicketType type) {
    Credential ticket = ticket(type);
    return ticket == null ? super.getTicket(type) : ticket.get();
  }

  @Override
  public boolean isTicketExpired(TicketType type) {
    return ticket(type) == null && super.isTicketExpired(type);
  }

  @Override
  public void expireTicket(TicketType type) {
    Credential ticket = ticket(type);
    if (ticket == null) {
      super.expireTicket(type);
    } else {
      ticket.expireStored();
    }
  }

  @Override
  public String getJsapiTicket() {
    return jsapiTicket.get();
  }

  @Override
  public long getJsapiTicketExpiresTime() {
    return jsapiTicket.expiresTime();
  }

  @Override
  public String getCardApiTicket() {
    return cardTicket.get();
  }

  @Override
  public long getCardApiTicketExpiresTime() {
    return cardTicket.expiresTime();
  }

  /** Replaces the parent's method, which writes all fields as JSON and fails from Java 16 on. */
  @Override
  public String toString() {
    return "WxMpStoreConfig of " + getAppId();
  }

  // The parent's methods compare the fields by their getters, and one of those may wait for WeChat.
  @Override
  public boolean equals(Object other) {
    return this == other;
  }

  @Override
  public int hashCode() {
    return System.identityHashCode(this);
  }

  private void writeObject(ObjectOutputStream out) throws IOException {
    throw Credential.notSerializable(getClass());
  }

  private Credential ticket(TicketType type) {
    return switch (type) {
      case JSAPI -> jsapiTicket;
      case WX_CARD -> cardTicket;
      default -> null;
    };
  }
}
