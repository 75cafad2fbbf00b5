<?php

declare(strict_types=1);

namespace WxToken\EasyWeChat;

use EasyWeChat\Kernel\Contracts\RefreshableAccessToken;
use WxToken\Store;

/**
 * An access token of a store, for the applications of EasyWeChat 6: their setAccessToken(), and
 * setComponentAccessToken(), setSuiteAccessToken() and setProviderAccessToken().
 *
 * An application that has it fetches no token by itself. It does not notice when WeChat refuses one: give it a
 * HttpClient of this namespace, too.
 */
final class AccessToken implements RefreshableAccessToken
{
    private readonly Credential $credential;

    /**
     * @param ?string $name An account; null is the current one.
     * @param string $parameter What the token is called in a URL. It is "component_access_token" with
     *                          setComponentAccessToken(), "suite_access_token" with setSuiteAccessToken(), and
     *                          "provider_access_token" with setProviderAccessToken().
     */
    public function __construct(
        Store $store,
        ?string $name = null,
        private readonly string $parameter = 'access_token',
    ) {
        $this->credential = new Credential($store, $name);
    }

    public function getToken(): string
    {
        return $this->credential->get();
    }

    /**
     * @return array<string, string>
     */
    public function toQuery(): array
    {
        return [$this->parameter => $this->getToken()];
    }

    /**
     * Rejects the token that this object gave last, and gives its successor.
     *
     * Where several share this object, as coroutines do, the last may not be the one that was refused; that costs one
     * fetch too many, at most one in 30 s. A HttpClient does not use it: it sees which token was refused.
     */
    public function refresh(): string
    {
        return $this->credential->refresh();
    }

    /**
     * The token in the query of a call; null when it is none that this object gave, such as a user's.
     *
     * @internal
     * @param array<mixed> $query
     */
    public function in(#[\SensitiveParameter] array $query): ?string
    {
        $token = $query[$this->parameter] ?? null;

        return is_string($token) && $this->credential->gave($token) ? $token : null;
    }

    /**
     * The query of a call whose token was refused, with that token's successor; null when there is none yet.
     *
     * @internal
     * @param array<mixed> $query
     * @return ?array<mixed>
     */
    public function replacedIn(#[\SensitiveParameter] array $query, #[\SensitiveParameter] string $refused): ?array
    {
        $successor = $this->credential->successor($refused);

        return $successor === $refused ? null : [$this->parameter => $successor] + $query;
    }
}
