<?php

/**
 * The parts of the SDKs that the adapters use, without the SDKs: names and signatures of EasyWeChat 6's contracts, and
 * WeChatDeveloper's use of its callback and its cache. The tests in tests/sdks use the real ones.
 */

declare(strict_types=1);

namespace EasyWeChat\Kernel\Contracts;

interface AccessToken
{
    public function getToken(): string;

    public function toQuery(): array;
}

interface RefreshableAccessToken extends AccessToken
{
    public function refresh(): string;
}

interface JsApiTicket
{
    public function getTicket(): string;

    public function configSignature(string $url, string $nonce, int $timestamp): array;
}

interface RefreshableJsApiTicket extends JsApiTicket
{
    public function refreshTicket(): string;
}

namespace EasyWeChat\Work;

class JsApiTicket
{
    protected string $corpId;

    public function getTicket(): string
    {
        throw new \LogicException('fetched without the store');
    }

    public function getAgentTicket(int $agentId): string
    {
        throw new \LogicException('fetched without the store');
    }
}

namespace WeChat\Contracts;

final class Tools
{
    /** @var array<string, ?callable> */
    public static array $cache_callable = ['set' => null];

    /** @var array<string, string> */
    public static array $cached = [];

    public static function setCache(string $name, string $value, int $expired): void
    {
        is_callable(self::$cache_callable['set'])
            ? (self::$cache_callable['set'])($name, $value, $expired)
            : self::$cached[$name] = $value;
    }
}

/**
 * An outline of a client. It repeats a refused call once.
 */
final class Client
{
    private ?string $token = null;

    public function __construct(private readonly string $appid, private readonly \Closure $callback)
    {
    }

    /**
     * @param callable(string): int $business Makes the call with a token, and returns the errcode.
     */
    public function call(callable $business): int
    {
        $errcode = $business($this->token());
        if ($errcode !== 0) {
            $this->token = null;
            unset(Tools::$cached["{$this->appid}_access_token"]);
            $errcode = $business($this->token());
        }

        return $errcode;
    }

    private function token(): string
    {
        $this->token ??= Tools::$cached["{$this->appid}_access_token"] ?? null;
        if ($this->token === null) {
            $this->token = ($this->callback)($this->appid, $this);
            Tools::setCache("{$this->appid}_access_token", $this->token, 7000);
        }

        return $this->token;
    }
}
