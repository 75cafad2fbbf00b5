<?php

declare(strict_types=1);

namespace WxToken\EasyWeChat;

use EasyWeChat\Kernel\Contracts\RefreshableAccessToken;
use WxToken\Store;

/**
 * An access token of a store, for the applications of EasyWeChat 6: their setAccessToken(), setComponentAccessToken(),
 * setSuiteAccessToken() and setProviderAccessToken().
 *
 * An application that has it does not fetch tokens itself. It does not notice when WeChat refuses one, so give it the
 * HttpClient of this namespace too.
 */
final class AccessToken implements RefreshableAccessToken
{
    private readonly Credential $credential;

    /**
     * @param ?string $name An account. Null means the current one.
     * @param string $parameter The token's parameter in a URL. Use "component_access_token" with
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
     * Rejects the token that this object returned last, and returns its successor.
     *
     * If several coroutines share this object, the last token may not be the one that was refused. That costs one
     * needless fetch, at most one in 30 s. HttpClient does not call this method, because it sees which token was
     * refused.
     */
    public function refresh(): string
    {
        return $this->credential->refresh();
    }

    /**
     * Returns the token in the query of a call, or null if this object did not return it, as for a user's token.
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
     * Returns the query with the refused token's successor, or null if there is none yet.
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
