<?php

declare(strict_types=1);

namespace WxToken\Tests;

use RuntimeException;
use WxToken\Store;

/**
 * The simulator of WeChat, wechat-sim, at the addresses that `wechat-sim exec` sets in the environment.
 */
final class Simulator
{
    /** The path of a business API for each kind. */
    public const BUSINESS = ['official' => '/cgi-bin/getcallbackip', 'work' => '/cgi-bin/agent/list'];

    public readonly string $http;
    public readonly string $https;
    public readonly string $caFile;
    private readonly string $control;

    public function __construct()
    {
        $this->http = self::variable('WXSIM_HTTP');
        $this->https = self::variable('WXSIM_HTTPS');
        $this->caFile = self::variable('WXSIM_CA');
        $this->control = self::variable('WXSIM_CONTROL');
    }

    public static function variable(string $name): string
    {
        return getenv($name) ?: throw new RuntimeException(
            "\$$name is not set: run this as WXTOKEN_CASES=tests/cases.json wechat-sim exec -- php tests/run.php"
        );
    }

    /**
     * Adds an official account with an appid and secret that no other story has.
     *
     * @param array<string, mixed> $more Fields of POST /accounts.
     * @return array{string, string} Its appid and secret.
     */
    public function official(array $more = []): array
    {
        return $this->account('official', $more);
    }

    /**
     * Adds an account of any kind with an id and secret that no other story has.
     *
     * @param array<string, mixed> $more
     * @return array{string, string} Its id and secret.
     */
    public function account(string $kind, array $more = []): array
    {
        $id = ($kind === 'work' ? 'ww' : 'wx') . bin2hex(random_bytes(8));
        $secret = bin2hex(random_bytes(16));
        $this->tell('/accounts', ['kind' => $kind, 'id' => $id, 'secret' => $secret] + $more);

        return [$id, $secret];
    }

    /**
     * @param array<string, mixed> $options
     */
    public function open(string $path, array $options = []): Store
    {
        return new Store($path, $options + ['api_base_url' => $this->http, 'work_base_url' => $this->http]);
    }

    /**
     * @return array<string, mixed> The reply.
     */
    public function tell(string $path, mixed $body): array
    {
        $json = json_encode($body, JSON_THROW_ON_ERROR);
        $options = ['method' => 'POST', 'header' => 'Content-Type: application/json', 'content' => $json];

        return $this->request($this->control . $path, $options);
    }

    /**
     * @return array<string, mixed>
     */
    public function counters(string $id): array
    {
        return $this->request("$this->control/counters?id=$id");
    }

    /**
     * @return int The number of refused business calls of all accounts.
     */
    public function refusals(): int
    {
        return $this->request("$this->control/counters")['business']['refused'];
    }

    /**
     * Calls a business API and returns its errcode.
     */
    public function business(string $kind, string $token): int
    {
        $path = self::BUSINESS[$kind];

        return $this->request("$this->http$path?access_token=" . rawurlencode($token))['errcode'] ?? 0;
    }

    /**
     * @param array<string, mixed> $options
     * @return array<string, mixed>
     */
    private function request(string $url, array $options = []): array
    {
        $context = stream_context_create(['http' => $options + ['ignore_errors' => true, 'timeout' => 10]]);
        $body = file_get_contents($url, false, $context);
        $status = $http_response_header[0] ?? 'no answer';
        check(str_contains($status, ' 200'), "the simulator answers $status to $url: $body");

        return (array) json_decode((string) $body, true);
    }
}
