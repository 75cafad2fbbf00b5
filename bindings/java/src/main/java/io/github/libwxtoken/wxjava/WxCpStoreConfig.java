package io.github.libwxtoken.wxjava;

import io.github.libwxtoken.Store;
import java.io.IOException;
import java.io.ObjectOutputStream;
import me.chanjar.weixin.cp.config.impl.WxCpDefaultConfigImpl;

/**
 * A configuration of weixin-java-cp that takes access tokens, jsapi tickets and agent tickets from
 * a store. It needs no secret. Everything else is as in its parent.
 */
public class WxCpStoreConfig extends WxCpDefaultConfigImpl {
  private static final long serialVersionUID = 1;

  private final transient Credential accessToken;
  private final transient Credential jsapiTicket;
  private final transient Credential agentTicket;

  /**
   * @param account an account of the store, of kind work or work_authorized
   */
  public WxCpStoreConfig(String corpId, Integer agentId, Store store, String account) {
    setCorpId(corpId);
    setAgentId(agentId);
    accessToken = new Credential(store, account);
    jsapiTicket = new Credential(store, account + "/jsapi_ticket");
    agentTicket = new Credential(store, account + "/agent_ticket");
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
  public String getAgentJsapiTicket() {
    return agentTicket.get();
  }

  @Override
  public boolean isAgentJsapiTicketExpired() {
    return false;
  }

  @Override
  public void expireAgentJsapiTicket() {
    agentTicket.expireStored();
  }

  /** Replaces the parent's method, which writes all fields as JSON and fails from Java 16 on. */
  @Override
  public String toString() {
    return "WxCpStoreConfig of " + getCorpId();
  }

  private void writeObject(ObjectOutputStream out) throws IOException {
    throw Credential.notSerializable(getClass());
  }
}
