<?php

declare(strict_types=1);

namespace WxToken\EasyWeChat;

use EasyWeChat\Work\JsApiTicket;
use WxToken\Store;

/**
 * The tickets of a WeCom app in a store, for setTicket() of EasyWeChat\Work\Application. That method takes only
 * EasyWeChat's own JsApiTicket, so this class extends it. The parent does the signing.
 */
final class WorkJsApiTicket extends JsApiTicket
{
    private readonly Credential $jsapiTicket;
    private readonly Credential $agentTicket;

    /**
     * @param string $account The account's name in the store. Its kind is work or work_authorized.
     */
    public function __construct(Store $store, string $account, string $corpId)
    {
        // The parent's constructor is not called, because it would create a cache and an HTTP client.
        $this->corpId = $corpId;
        $this->jsapiTicket = new Credential($store, "$account/jsapi_ticket");
        $this->agentTicket = new Credential($store, "$account/agent_ticket");
    }

    public function getTicket(): string
    {
        return $this->jsapiTicket->get();
    }

    /**
     * @param int $agentId Ignored, because the account in the store is one app.
     */
    public function getAgentTicket(int $agentId): string
    {
        return $this->agentTicket->get();
    }
}
