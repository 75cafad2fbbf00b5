<?php

/**
 * A process that does with an adapter what the SDK does. For each line that it reads, it makes one business call, and
 * repeats it after a refusal. It writes "ok" or the errcode.
 *
 *     php adapter.php ADAPTER KIND STORE
 */

declare(strict_types=1);

use Symfony\Component\HttpClient\HttpClient as SymfonyHttpClient;
use WeChat\Contracts\Client;
use WxToken\EasyWeChat\AccessToken;
use WxToken\EasyWeChat\HttpClient;
use WxToken\Store;
use WxToken\Tests\Simulator;
use WxToken\WeChatDeveloper\AccessTokenCallback;

require __DIR__ . '/load_adapters.php';

[, $adapter, $kind, $path] = $argv;
$simulator = new Simulator();
$store = $simulator->open($path);
$business = static fn (string $token): int => $simulator->business($kind, $token);

$call = match ($adapter) {
    'AccessToken' => (static function () use ($store, $business): Closure {
        $token = new AccessToken($store, 'shop');

        return static function () use ($token, $business): int {
            $errcode = $business($token->toQuery()['access_token']);
            return $errcode === 0 ? 0 : $business($token->refresh());
        };
    })(),
    'HttpClient' => (static function () use ($store, $simulator, $kind): Closure {
        $token = new AccessToken($store, 'shop');
        $client = new HttpClient(SymfonyHttpClient::create(['base_uri' => $simulator->http]), $token);
        $path = Simulator::BUSINESS[$kind];

        return static function () use ($client, $token, $path): int {
            return $client->request('GET', $path, ['query' => $token->toQuery()])->toArray()['errcode'] ?? 0;
        };
    })(),
    // A new client for each call, as in a page.
    'AccessTokenCallback' => (static function () use ($store, $business): Closure {
        $callback = (new AccessTokenCallback($store, 'shop'))(...);

        return static fn (): int => (new Client('wx0', $callback))->call($business);
    })(),
};

echo "ready\n";
while (fgets(STDIN) !== false) {
    try {
        $errcode = $call();
        echo $errcode === 0 ? "ok\n" : "errcode $errcode\n";
    } catch (Throwable $reason) {
        echo get_debug_type($reason), ": {$reason->getMessage()}\n";
    }
}
