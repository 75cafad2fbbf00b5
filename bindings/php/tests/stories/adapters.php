<?php

declare(strict_types=1);

namespace WxToken\Tests;

use EasyWeChat\Kernel\Contracts\RefreshableAccessToken;
use EasyWeChat\Kernel\Contracts\RefreshableJsApiTicket;
use Symfony\Component\HttpClient\HttpClient as SymfonyHttpClient;
use Symfony\Component\HttpClient\RetryableHttpClient;
use Symfony\Contracts\HttpClient\Exception\TransportExceptionInterface;
use WeChat\Contracts\Tools;
use WxToken\EasyWeChat\AccessToken;
use WxToken\EasyWeChat\HttpClient;
use WxToken\EasyWeChat\JsApiTicket;
use WxToken\EasyWeChat\WorkJsApiTicket;
use WxToken\Exception\ApiException;
use WxToken\Store;
use WxToken\WeChatDeveloper\AccessTokenCallback;

// Must run before the adapters are loaded.
story('without an SDK, preload.php loads no adapter', static function (): void {
    $loaded = preg_grep('/^WxToken\\\\(EasyWeChat|WeChatDeveloper)\\\\/', get_declared_classes());
    same([], array_values($loaded), 'adapters');
});

require __DIR__ . '/../programs/load_adapters.php';

// An adapter's pair of processes, and the store that they share.
$pair = static function (string $directory, string $adapter, string $kind, int $lifetimeMs) use ($simulator): Pair {
    [$id, $secret] = $simulator->account($kind, ['lifetime_ms' => $lifetimeMs]);
    $path = "$directory/$adapter-$kind.db";
    $simulator->open($path)->register('shop', $kind, $id, $secret);

    return new Pair(
        $simulator,
        "$adapter, $kind",
        [$kind, $id, $secret],
        static fn (): Process => new Process(
            [PHP_BINARY, __DIR__ . '/../programs/adapter.php', $adapter, $kind, $path],
        ),
    );
};

story('with each adapter, an expiry, a revocation and a refresh by another process cost one mint each', static function (
    string $directory
) use ($pair): void {
    [$soon, $hours] = [5_000, 7_200_000];
    $pairs = [];
    foreach (['AccessToken', 'HttpClient', 'AccessTokenCallback'] as $adapter) {
        $pairs[] = $pair($directory, $adapter, 'official', $soon);
    }
    $pairs[] = $pair($directory, 'HttpClient', 'work', $soon);
    $tell = static function (string $event, int $minted, array $order = ['here', 'there']) use ($pairs): void {
        foreach ($pairs as $each) {
            $each->call($event, order: $order);
        }
        foreach ($pairs as $each) {
            $each->counts($event, $minted, $minted);
        }
    };

    $tell('a first token', 1);

    Pair::expire($soon);
    array_map(static fn (Pair $each) => $each->lifetime($hours), $pairs);
    $tell('an expiry', 2);

    array_map(static fn (Pair $each) => $each->lifetime($soon), $pairs);
    array_map(static fn (Pair $each) => $each->revoke(), $pairs);
    $tell('a revocation', 3);

    Pair::expire($soon);
    array_map(static fn (Pair $each) => $each->lifetime($hours), $pairs);
    $tell('a refresh by the other process', 4, ['there', 'here']);

    array_map(static fn (Pair $each) => $each->end(), $pairs);
});

/** @return array{Store, string} A store with an account "shop", and its appid. */
$shop = static function (string $directory, array $more = []) use ($simulator): array {
    [$id, $secret] = $simulator->official($more);
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', $id, $secret);

    return [$store, $id];
};

story('an AccessToken refreshes the token it returned last, and nothing before that', static function (string $directory) use (
    $simulator,
    $shop
): void {
    [$store, $id] = $shop($directory);
    $first = new AccessToken($store, 'shop');
    check($first instanceof RefreshableAccessToken, 'not of the contract');
    $value = $first->refresh();
    same($store->token('shop')->value, $value, 'a refresh before the first token');
    same(['access_token' => $value], $first->toQuery(), 'the query');
    $another = new AccessToken($store, null, 'suite_access_token');
    same(['suite_access_token' => $value], $another->toQuery(), 'the query under another name');
    same(1, $simulator->counters($id)['minted'], 'mints');

    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
    $second = new AccessToken($store, 'shop');
    $second->getToken();
    $successor = $first->refresh();
    check($successor !== $value, 'the token is still the one that was rejected');
    same(0, $simulator->business('official', $successor), 'errcode');
    same($successor, $second->refresh(), 'after another has refreshed it');
    same(2, $simulator->counters($id)['minted'], 'mints');
});

story('tickets of the store sign pages', static function (string $directory) use ($simulator, $shop): void {
    [$url, $nonce, $time] = ['https://shop.example/goods?id=1', 'nonce', 1700000000];
    $told = static fn (string $id, string $signature, bool $agent = false): array => $simulator->tell('/js_config', [
        'appid' => $id,
        'url' => $url,
        'noncestr' => $nonce,
        'timestamp' => (string) $time,
        'signature' => $signature,
        'agent' => $agent,
    ]);

    [$store, $id] = $shop($directory);
    $ticket = new JsApiTicket($store, 'shop', $id);
    check($ticket instanceof RefreshableJsApiTicket, 'not of the contract');
    $config = $ticket->configSignature($url, $nonce, $time);
    same(['url', 'nonceStr', 'timestamp', 'appId', 'signature'], array_keys($config), 'what the page gets');
    same(['ok' => true], $told($id, $config['signature']), 'what the page is told');
    $before = $ticket->getTicket();
    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all', 'kind' => 'jsapi_ticket']);
    check($ticket->refreshTicket() !== $before, 'the ticket is still the one that was rejected');
    $config = $ticket->configSignature($url, $nonce, $time);
    same(['ok' => true], $told($id, $config['signature']), 'what the page is told after a refresh');

    [$corp, $secret] = $simulator->account('work');
    $store->register('app', 'work', $corp, $secret);
    $ticket = new WorkJsApiTicket($store, 'app', $corp);
    foreach ([[$ticket->getTicket(), false], [$ticket->getAgentTicket(1000002), true]] as [$value, $agent]) {
        $signature = sha1("jsapi_ticket=$value&noncestr=$nonce&timestamp=$time&url=$url");
        same(['ok' => true], $told($corp, $signature, $agent), 'what the page in WeCom is told');
    }
});

story('simultaneous calls that are refused cost one mint', static function (string $directory) use (
    $simulator,
    $shop
): void {
    [$store, $id] = $shop($directory);
    $token = new AccessToken($store, 'shop');
    $client = new HttpClient(SymfonyHttpClient::create(['base_uri' => $simulator->http]), $token);
    $token->getToken();
    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
    $answers = [];
    for ($i = 0; $i < 20; $i++) {
        $answers[] = $client->request('POST', '/cgi-bin/getcallbackip', [
            'query' => $token->toQuery(),
            'body' => '{"a":"body"}',
        ]);
    }
    foreach ($client->stream($answers) as $answer => $chunk) {
        same(200, $answer->getStatusCode(), 'HTTP status');
    }
    foreach ($answers as $answer) {
        same(0, $answer->toArray()['errcode'] ?? 0, 'errcode');
    }
    same(2, $simulator->counters($id)['minted'], 'mints');
});

story('a call under way with the previous token is repeated with the current one', static function (
    string $directory
) use (
    $simulator,
    $shop
): void {
    [$store, $id] = $shop($directory);
    $token = new AccessToken($store, 'shop');
    $client = new HttpClient(SymfonyHttpClient::create(['base_uri' => $simulator->http]), $token);
    $query = $token->toQuery();
    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
    $token->refresh();
    $answer = $client->request('GET', '/cgi-bin/getcallbackip', ['query' => $query]);
    same(0, $answer->toArray()['errcode'] ?? 0, 'errcode');
    same(2, $simulator->counters($id)['minted'], 'mints');
});

story('an answer that does not refuse a token of the store passes through', static function (string $directory) use (
    $simulator,
    $shop
): void {
    [$store, $id] = $shop($directory);
    $token = new AccessToken($store, 'shop');
    $value = $token->getToken();
    $client = new HttpClient(SymfonyHttpClient::create(['base_uri' => $simulator->http]), $token);
    $path = '/cgi-bin/getcallbackip';
    $get = static fn (array $query, array $more = []) => $client->request('GET', $path, ['query' => $query] + $more);
    $fault = static fn (array $fault) => $simulator->tell('/faults', $fault + ['path' => $path]);

    // A user's token has the same parameter.
    $refused = $simulator->refusals();
    same(40014, $get(['access_token' => 'a-users'])->toArray()['errcode'], "errcode of a user's token");
    same(41001, $get([])->toArray()['errcode'], 'errcode without a token');
    same(2, $simulator->refusals() - $refused, 'calls');

    $fault(['kind' => 'status', 'code' => 500, 'body' => '{"errcode":40001}']);
    same(500, $get($token->toQuery())->getStatusCode(), 'an HTTP status');
    $fault(['kind' => 'errcode', 'errcode' => 45009]);
    same(45009, $get($token->toQuery())->toArray()['errcode'], 'another errcode');
    $fault(['kind' => 'html']);
    check(str_contains($get($token->toQuery())->getContent(), '<'), 'a page is not as it was');
    $fault(['kind' => 'empty']);
    same('', $get($token->toQuery())->getContent(), 'no body');
    // A refusal is short. This answer is not one, and is not held back.
    foreach ([16385, 300000] as $length) {
        $body = '{"errcode":40001,"x":"' . str_repeat('x', $length - 24) . '"}';
        $headers = ['content-type' => 'application/json'];
        $fault(['kind' => 'raw', 'status' => 200, 'headers' => $headers, 'body' => $body]);
        same(md5($body), md5($get($token->toQuery())->getContent()), "a body of $length bytes");
    }
    // The connection ends in the middle of an answer that looks like a refusal.
    $headers = ['content-type' => 'application/json', 'content-length' => '500'];
    $fault(['kind' => 'raw', 'status' => 200, 'headers' => $headers, 'body' => '{"errcode":40001}']);
    thrown(TransportExceptionInterface::class, static fn () => $get($token->toQuery())->getContent());
    $fault(['kind' => 'truncated_json']);
    $get($token->toQuery())->getContent();

    $cancelled = $get($token->toQuery());
    $cancelled->cancel();
    same(true, $cancelled->getInfo('canceled'), 'cancelled');
    same($value, $store->token('shop')->value, 'the token');
    // A rejected token would have caused another request.
    same(1, $simulator->counters($id)['requests'], 'requests');
});

story('clients around and inside an HttpClient get complete answers', static function (string $directory) use (
    $simulator,
    $shop
): void {
    [$store, $id] = $shop($directory);
    $token = new AccessToken($store, 'shop');
    $none = new AccessToken($store, 'shop', 'suite_access_token');
    $symfony = SymfonyHttpClient::create(['base_uri' => $simulator->http]);
    foreach (
        [
            new HttpClient(new HttpClient($symfony, $token), $none),
            new HttpClient(new HttpClient($symfony, $none), $token),
            new RetryableHttpClient(new HttpClient($symfony, $token)),
            new HttpClient(new RetryableHttpClient($symfony), $token),
            (new HttpClient($symfony, $token))->withOptions(['timeout' => 5]),
        ] as $at => $client
    ) {
        foreach ([$token->toQuery(), ['access_token' => 'a-users'], []] as $query) {
            $answer = $client->request('GET', '/cgi-bin/getcallbackip', ['query' => $query]);
            check($answer->getStatusCode() === 200 && $answer->toArray() !== [], "no answer from client $at");
        }
    }
    same(1, $simulator->counters($id)['requests'], 'requests');
});

story('a call that cannot be sent again is not repeated, and the next has another token', static function (
    string $directory
) use (
    $simulator,
    $shop
): void {
    [$store, $id] = $shop($directory);
    $token = new AccessToken($store, 'shop');
    $client = new HttpClient(SymfonyHttpClient::create(['base_uri' => $simulator->http]), $token);
    $token->getToken();
    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
    $body = fopen('php://memory', 'w+');
    fwrite($body, 'a picture');
    rewind($body);
    $post = static fn (mixed $body): array => $client->request('POST', '/cgi-bin/getcallbackip', [
        'query' => $token->toQuery(),
        'body' => $body,
        'headers' => ['Content-Length' => '9'],
    ])->toArray();
    same(40001, $post($body)['errcode'] ?? 0, 'errcode');
    same(0, $post(['form' => 'data'])['errcode'] ?? 0, 'errcode of the next call');
    same(2, $simulator->counters($id)['minted'], 'mints');

    // A reject within 30 s of another brings no other token, so the call is not repeated.
    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
    $refused = $simulator->refusals();
    same(40001, $post('')['errcode'] ?? 0, 'errcode');
    same(1, $simulator->refusals() - $refused, 'calls');
    same(2, $simulator->counters($id)['minted'], 'mints');
});

story('a store that has no other token leaves the call with the refusal', static function (string $directory) use (
    $simulator,
    $shop
): void {
    [$store, $id] = $shop($directory);
    $token = new AccessToken($store, 'shop');
    $client = new HttpClient(SymfonyHttpClient::create(['base_uri' => $simulator->http]), $token);
    $token->getToken();
    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
    $simulator->tell('/faults', ['kind' => 'errcode', 'errcode' => 40164, 'id' => $id, 'times' => 0]);
    try {
        $answer = $client->request('GET', '/cgi-bin/getcallbackip', ['query' => $token->toQuery()]);
        same(40001, $answer->toArray()['errcode'], 'errcode');
        same(40164, thrown(ApiException::class, $token->getToken(...))->errcode, 'errcode of the next token');
        thrown(ApiException::class, static fn () => (new AccessTokenCallback($store, 'shop'))($id, new \stdClass()));
    } finally {
        $simulator->tell('/faults/clear', []);
    }
});

story('a client that asks the callback again had its token refused', static function (string $directory) use (
    $simulator,
    $shop
): void {
    [$store, $id] = $shop($directory);
    $callback = new AccessTokenCallback($store, 'shop');
    [$one, $other] = [new \stdClass(), new \stdClass()];
    $value = $callback($id, $one);
    same($value, $callback($id, $other), 'the token of another client');
    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
    $successor = $callback($id, $one);
    check($successor !== $value, 'the refused token was given again');
    // It had the same token as the first client. The store no longer has that token.
    same($successor, $callback($id, $other), 'the next token of the other client');
    same(2, $simulator->counters($id)['minted'], 'mints');
});

story('the cache of the SDK goes on, except for tokens of the store', static function (string $directory) use (
    $shop
): void {
    [$store, $id] = $shop($directory);
    $own = new \ArrayObject();
    $set = static fn (string $name, string $value, int $expired) => $own[$name] = [$value, $expired];
    foreach ([null, $set] as Tools::$cache_callable['set']) {
        Tools::$cached = [];
        (new AccessTokenCallback($store, 'shop'))($id, new \stdClass());
        Tools::setCache("{$id}_access_token", 'secret', 7000);
        Tools::setCache("{$id}_ticket_jsapi", 'ticket', 7000);
        Tools::setCache('other_access_token', 'another', 60);
    }
    same([], Tools::$cached, "the SDK's, beside a function of the project's own");
    same(
        ["{$id}_ticket_jsapi" => ['ticket', 7000], 'other_access_token' => ['another', 60]],
        $own->getArrayCopy(),
        "the project's own",
    );
    Tools::$cache_callable['set'] = null;
    (new AccessTokenCallback($store, 'shop'))($id, new \stdClass());
    Tools::setCache("{$id}_access_token", 'secret', 7000);
    Tools::setCache('key', 'value', 60);
    same(['key' => 'value'], Tools::$cached, "the SDK's");
});

story('adapters show no token, and cannot be stored', static function (string $directory) use ($shop): void {
    [$store, $id] = $shop($directory);
    $token = new AccessToken($store, 'shop');
    $ticket = new JsApiTicket($store, 'shop', $id);
    $callback = new AccessTokenCallback($store, 'shop');
    $client = new \stdClass();
    $hidden = [$token->getToken(), $ticket->getTicket(), $callback($id, $client)];
    ob_start();
    var_dump($token, $ticket, $callback, Tools::$cache_callable);
    print_r([$token, $ticket, $callback, serialize($callback)]);
    $shown = ob_get_clean() . json_encode([$token, $ticket, $callback]);
    foreach ($hidden as $value) {
        check(!str_contains($shown, $value), 'a token is shown');
    }
    foreach ([$token, $ticket] as $adapter) {
        thrown(\Throwable::class, static fn () => serialize($adapter));
    }
    // WeChatDeveloper's instance() uses the serialised configuration as a key.
    check(serialize($callback) !== serialize(new AccessTokenCallback($store, 'shop')), 'two callbacks are one');
    thrown(\LogicException::class, static fn () => unserialize(serialize($callback)));
});
