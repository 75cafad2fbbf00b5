<?php

declare(strict_types=1);

namespace WxToken\WeChatDeveloper;

use LogicException;
use WeakMap;
use WxToken\Store;

/**
 * An access token of a store, for the option GetAccessTokenCallback of the clients of zoujingli/wechat-developer.
 *
 * A client asks for a token when it has none. It keeps the answer until WeChat refuses it, and then asks again. A
 * second request of the same client therefore rejects the token that it had.
 */
final class AccessTokenCallback
{
    /** @var WeakMap<object, string> The token that each client was given. */
    private readonly WeakMap $given;

    /**
     * @param ?string $name An account. Null means the current one.
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
     * Returns an id, because the SDK's instance() uses the serialised configuration as the key of the client it makes.
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
