<?php

declare(strict_types=1);

namespace WxToken\EasyWeChat;

use EasyWeChat\Work\JsApiTicket;
use WxToken\Store;

/**
 * The tickets of a WeCom app in a store, for the setTicket() of EasyWeChat\Work\Application, which takes a JsApiTicket
 * of its own only. Signing is its parent's.
 */
final class WorkJsApiTicket extends JsApiTicket
{
    private readonly Credential $jsapiTicket;
    private readonly Credential $agentTicket;

    /**
     * @param string $account Its name in the store, of kind work or work_authorized.
     */
    public function __construct(Store $store, string $account, string $corpId)
    {
        // Not the parent's constructor: that would make a cache and an HTTP client.
        $this->corpId = $corpId;
        $this->jsapiTicket = new Credential($store, "$account/jsapi_ticket");
        $this->agentTicket = new Credential($store, "$account/agent_ticket");
    }

    public function getTicket(): string
    {
        return $this->jsapiTicket->get();
    }

    /**
     * @param int $agentId Not used: the account in the store is one app.
     */
    public function getAgentTicket(int $agentId): string
    {
        return $this->agentTicket->get();
    }
}
