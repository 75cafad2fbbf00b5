package io.github.libwxtoken.wxjava;

import cn.binarywang.wx.miniapp.config.impl.WxMaDefaultConfigImpl;
import io.github.libwxtoken.Store;

/**
 * A configuration of weixin-java-miniapp that takes access tokens, jsapi tickets and card tickets
 * from a store. It needs a secret only for calls that send it to WeChat, such as a login.
 * Everything else is as in its parent.
 */
public class WxMaStoreConfig extends WxMaDefaultConfigImpl {
  private final Credential accessToken;
  private final Credential jsapiTicket;
  private final Credential cardTicket;

  /**
   * @param account an account of the store, of kind official, official_classic or authorizer
   */
  public WxMaStoreConfig(String appid, Store store, String account) {
    setAppid(appid);
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
  public String getJsapiTicket() {
    return jsapiTicket.get();
  }

  @Override
  public boolean isJsapiTicketExpired() {
    return false;
  }

  @Override
  public void expireJsapiTicket() {
    jsapiTicket.expireStored();
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
  public boolean isCardApiTicketExpired() {
    return false;
  }

  @Override
  public void expireCardApiTicket() {
    cardTicket.expireStored();
  }

  @Override
  public long getCardApiTicketExpiresTime() {
    return cardTicket.expiresTime();
  }

  /** Replaces the parent's method, which writes all fields as JSON and fails from Java 16 on. */
  @Override
  public String toString() {
    return "WxMaStoreConfig of " + getAppid();
  }
}
