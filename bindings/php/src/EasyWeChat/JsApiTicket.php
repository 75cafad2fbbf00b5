<?php

declare(strict_types=1);

namespace WxToken\EasyWeChat;

use EasyWeChat\Kernel\Contracts\RefreshableJsApiTicket;
use WxToken\Store;

/**
 * A jsapi_ticket of a store, for the setTicket() of EasyWeChat's official accounts.
 */
final class JsApiTicket implements RefreshableJsApiTicket
{
    private readonly Credential $credential;

    /**
     * @param string $account The account's name in the store. Its kind is official, official_classic or authorizer.
     * @param string $appId The account's appid, which is passed to the page.
     */
    public function __construct(Store $store, string $account, private readonly string $appId)
    {
        $this->credential = new Credential($store, "$account/jsapi_ticket");
    }

    public function getTicket(): string
    {
        return $this->credential->get();
    }

    /**
     * Rejects the ticket that this object returned last, and returns its successor.
     */
    public function refreshTicket(): string
    {
        return $this->credential->refresh();
    }

    /**
     * @return array<string, mixed> The fields of wx.config, and the URL.
     */
    public function configSignature(string $url, string $nonce, int $timestamp): array
    {
        return [
            'url' => $url,
            'nonceStr' => $nonce,
            'timestamp' => $timestamp,
            'appId' => $this->appId,
            'signature' => sha1("jsapi_ticket={$this->getTicket()}&noncestr=$nonce&timestamp=$timestamp&url=$url"),
        ];
    }
}
