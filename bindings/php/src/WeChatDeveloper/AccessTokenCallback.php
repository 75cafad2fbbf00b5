<?php

declare(strict_types=1);

namespace WxToken\WeChatDeveloper;

use LogicException;
use WeakMap;
use WxToken\Store;

/**
 * An access token of a store, for the option GetAccessTokenCallback of the clients of zoujingli/wechat-developer.
 *
 * A client asks when it has no token. It keeps the answer in itself until WeChat refuses it, and asks again then: so,
 * when a client asks a second time, the token that it had is rejected.
 */
final class AccessTokenCallback
{
    /** @var WeakMap<object, string> What each client was given. */
    private readonly WeakMap $given;

    /**
     * @param ?string $name An account; null is the current one.
     */
    public function __construct(private readonly Store $store, private readonly ?string $name = null)
    {
        $this->given = new WeakMap();
    }

    public function __invoke(string $appid, object $client): string
    {
        UncachedTokens::add("{$appid}_access_token");
        if (isset($this->given[$client])) {
            $this->store->reject($this->name, $this->given[$client]);
        }

        return $this->given[$client] = $this->store->token($this->name)->value;
    }

    /**
     * @return array<string, string|null>
     */
    public function __debugInfo(): array
    {
        return ['name' => $this->name];
    }

    /**
     * The SDK's instance() takes the serialised configuration as the key of what it made with it.
     *
     * @return array<string, int>
     */
    public function __serialize(): array
    {
        return ['object' => spl_object_id($this)];
    }

    /**
     * @param array<mixed> $properties
     */
    public function __unserialize(array $properties): never
    {
        throw new LogicException('an AccessTokenCallback cannot be unserialised: make a new one');
    }
}
