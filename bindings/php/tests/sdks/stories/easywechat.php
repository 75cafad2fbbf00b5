<?php

declare(strict_types=1);

namespace WxToken\Tests;

const SOON_MS = 5_000;
const HOURS_MS = 7_200_000;

/**
 * Two processes with the client of an SDK.
 *
 * @param ?string $store The adapter's store. Null means the SDK alone.
 * @param bool $oneCache Whether both processes keep the SDK's own cache in one directory. If false, they are like two
 *                       users, or services that each have a private /tmp.
 * @param array<string, string> $environment The environment of both.
 */
$pair = static function (
    string $directory,
    string $sdk,
    ?string $store,
    bool $oneCache = false,
    array $environment = [],
) use (
    $simulator,
    $autoload
): Pair {
    $kind = $sdk === 'work' ? 'work' : 'official';
    [$id, $secret] = $simulator->account($kind, ['lifetime_ms' => SOON_MS]);
    if ($store !== null) {
        $simulator->open($store)->register('shop', $kind, $id, $secret);
    }
    // WeChatDeveloper requires a non-empty secret.
    $arguments = $store === null ? [$id, $secret] : [$id, 'in-the-store', $store];

    return new Pair(
        $simulator,
        $sdk . ($store === null ? ' by itself' : ' by the store'),
        [$kind, $id, $secret],
        static function (string $who) use (
            $directory,
            $oneCache,
            $environment,
            $id,
            $autoload,
            $sdk,
            $arguments,
        ): Process {
            $cache = "$directory/cache-$id" . ($oneCache ? '' : "-$who");
            is_dir($cache) || mkdir($cache);

            return new Process(
                [PHP_BINARY, __DIR__ . '/../client.php', $autoload, $sdk, ...$arguments],
                ['TMPDIR' => $cache] + $environment,
            );
        },
    );
};

/**
 * @param list<Pair> $pairs
 */
$all = static function (array $pairs, callable $act): void {
    array_map($act, $pairs);
};

story('two processes of EasyWeChat through an expiry, a revocation and a refresh by one of them', static function (
    string $directory
) use (
    $pair,
    $all
): void {
    $ours = [
        $pair($directory, 'official account', "$directory/official.db"),
        $pair($directory, 'mini program', "$directory/mini.db"),
        $pair($directory, 'work', "$directory/work.db"),
    ];
    $alone = $pair($directory, 'official account', null);
    $sharing = $pair($directory, 'official account', null, oneCache: true);
    // WeCom returns the same token while it is good, so the second request mints none.
    $work = $pair($directory, 'work', null);
    $everyone = [...$ours, $alone, $sharing, $work];

    $event = 'a first token';
    $all($everyone, static fn (Pair $pair) => $pair->call($event));
    $all($ours, static fn (Pair $pair) => $pair->counts($event, 1, 1));
    $alone->counts($event, 2, 2);
    $sharing->counts($event, 1, 1);
    $work->counts($event, 2, 1);

    $event = 'an expiry';
    Pair::expire(SOON_MS);
    $all($everyone, static fn (Pair $pair) => $pair->lifetime(HOURS_MS));
    $all($everyone, static fn (Pair $pair) => $pair->call($event));
    $all($ours, static fn (Pair $pair) => $pair->counts($event, 2, 2));
    $alone->counts($event, 4, 4);
    $sharing->counts($event, 2, 2);
    $work->counts($event, 4, 2);

    $event = 'a revocation';
    $all($everyone, static fn (Pair $pair) => $pair->lifetime(SOON_MS));
    $all($everyone, static fn (Pair $pair) => $pair->revoke());
    $all($ours, static fn (Pair $pair) => $pair->call($event));
    $all($ours, static fn (Pair $pair) => $pair->counts($event, 3, 3));
    // On their own they go on using the cached token, which has hours to go.
    foreach ([$alone, $sharing] as $failing) {
        $failing->call($event, 'errcode 40001');
        $failing->call("$event, and again", 'errcode 40001');
    }
    $work->call($event, 'errcode 40014');
    $alone->counts($event, 4, 4);
    $sharing->counts($event, 2, 2);
    $work->counts($event, 4, 2);

    $event = 'a refresh by the other process';
    Pair::expire(SOON_MS);
    $all($ours, static fn (Pair $pair) => $pair->lifetime(HOURS_MS));
    $all($ours, static fn (Pair $pair) => $pair->call($event, order: ['there', 'here']));
    $all($ours, static fn (Pair $pair) => $pair->counts($event, 4, 4));

    $all($everyone, static fn (Pair $pair) => $pair->end());
});

story('a token that one process of EasyWeChat found revoked is not used by the other', static function (
    string $directory
) use ($pair): void {
    $event = 'a revocation';
    foreach (['official account', 'work'] as $sdk) {
        $ours = $pair($directory, $sdk, "$directory/$sdk.db");
        $ours->lifetime(HOURS_MS);
        $ours->call('a first token');
        $ours->revoke();
        $ours->call($event, order: ['there', 'here']);
        $ours->counts($event, 2, 2);
        $ours->end();
    }
});

story('EasyWeChat signs pages with the tickets of the store', static function (string $directory) use (
    $simulator
): void {
    $url = 'https://shop.example/goods?id=1';
    $accepted = static function (string $id, string $url, array $config, bool $agent = false) use ($simulator): void {
        $page = ['appid' => $id, 'url' => $url, 'noncestr' => $config['nonceStr'], 'agent' => $agent]
            + ['timestamp' => (string) $config['timestamp'], 'signature' => $config['signature']];
        same(['ok' => true], $simulator->tell('/js_config', $page), 'what the page is told');
    };

    [$id, $secret] = $simulator->official();
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', $id, $secret);
    $app = new \EasyWeChat\OfficialAccount\Application(['app_id' => $id]);
    $app->setTicket($ticket = new \WxToken\EasyWeChat\JsApiTicket($store, 'shop', $id));
    $config = $app->getUtils()->buildJsSdkConfig($url, ['chooseImage']);
    same($id, $config['appId'], 'appId');
    $accepted($id, $url, $config);
    // The token and the ticket.
    same(2, $simulator->counters($id)['minted'], 'mints');
    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all', 'kind' => 'jsapi_ticket']);
    check($ticket->getTicket() !== $ticket->refreshTicket(), 'the ticket was not refreshed');
    $accepted($id, $url, $app->getUtils()->buildJsSdkConfig($url, []));

    [$id, $secret] = $simulator->account('work');
    $store->register('app', 'work', $id, $secret);
    $app = new \EasyWeChat\Work\Application(['corp_id' => $id]);
    $app->setTicket(new \WxToken\EasyWeChat\WorkJsApiTicket($store, 'app', $id));
    $accepted($id, $url, $app->getUtils()->buildJsSdkConfig($url, []));
    $accepted($id, $url, $app->getUtils()->buildJsSdkAgentConfig(1000002, $url, []), agent: true);
    same(3, $simulator->counters($id)['minted'], 'mints in WeCom');
});

story('the clients of a platform and its customer have their tokens from the store', static function (
    string $directory
) use ($simulator): void {
    $component = 'wx' . bin2hex(random_bytes(8));
    $customer = 'wx' . bin2hex(random_bytes(8));
    $secret = bin2hex(random_bytes(16));
    $simulator->tell('/accounts', ['kind' => 'component', 'id' => $component, 'secret' => $secret]);
    ['refresh_token' => $refresh] = $simulator->tell(
        '/accounts',
        ['kind' => 'authorizer', 'id' => $customer, 'parent' => $component],
    );
    $store = $simulator->open("$directory/tokens.db");
    $store->register('platform', 'component', $component, $secret);
    $store->put('platform', 'verify_ticket', $simulator->tell('/push', ['id' => $component])['ticket']);
    $store->register('customer', 'authorizer', $customer);
    $store->put('customer', 'parent', 'platform');
    $store->put('customer', 'refresh_token', $refresh);

    $http = ['http' => ['base_uri' => $simulator->http]];
    $platform = new \EasyWeChat\OpenPlatform\Application(
        ['app_id' => $component] + $http,
    );
    $token = new \WxToken\EasyWeChat\AccessToken($store, 'platform', 'component_access_token');
    same(['component_access_token' => $store->token('platform')->value], $token->toQuery(), 'the query');
    $platform->setComponentAccessToken($token);
    $platform->setHttpClient(new \WxToken\EasyWeChat\HttpClient($platform->getHttpClient(), $token));
    $path = '/cgi-bin/component/api_authorizer_token';
    $json = ['component_appid' => $component, 'authorizer_appid' => $customer, 'authorizer_refresh_token' => 'wrong'];
    $call = static fn (): array => $platform->getClient()->request('POST', $path, ['json' => $json])->toArray();
    // Errcode 61023 is about the refresh token, so WeChat has accepted the component's token.
    same(61023, $call()['errcode'] ?? 0, 'errcode');
    $simulator->tell('/revoke', ['id' => $component, 'which' => 'all']);
    same(61023, $call()['errcode'] ?? 0, 'errcode after a revocation');
    same(2, $simulator->counters($component)['minted'], "mints of the component's token");

    $app = new \EasyWeChat\OfficialAccount\Application(['app_id' => $customer] + $http);
    $app->setAccessToken($token = new \WxToken\EasyWeChat\AccessToken($store, 'customer'));
    $app->setHttpClient(new \WxToken\EasyWeChat\HttpClient($app->getHttpClient(), $token));
    same(0, $app->getClient()->get('/cgi-bin/getcallbackip')->toArray()['errcode'] ?? 0, 'errcode of the customer');
    $simulator->tell('/revoke', ['id' => $customer, 'which' => 'all']);
    same(0, $app->getClient()->get('/cgi-bin/getcallbackip')->toArray()['errcode'] ?? 0, 'errcode after a revocation');
    same(2, $simulator->counters($customer)['minted'], "mints of the customer's token");
});

story('the client of a WeCom third-party app has two tokens from the store', static function (string $directory) use (
    $simulator
): void {
    $secret = bin2hex(random_bytes(16));
    [$suite, $provider] = ['ww' . bin2hex(random_bytes(8)), 'ww' . bin2hex(random_bytes(8))];
    $simulator->tell('/accounts', ['kind' => 'suite', 'id' => $suite, 'secret' => $secret]);
    $simulator->tell('/accounts', ['kind' => 'provider', 'id' => $provider, 'secret' => $secret]);
    $store = $simulator->open("$directory/tokens.db");
    $store->register('suite', 'suite', $suite, $secret);
    $store->put('suite', 'suite_ticket', $simulator->tell('/push', ['id' => $suite])['ticket']);
    $store->register('provider', 'provider', $provider, $secret);

    $app = new \EasyWeChat\OpenWork\Application(['corp_id' => $provider, 'http' => ['base_uri' => $simulator->http]]);
    $ofSuite = new \WxToken\EasyWeChat\AccessToken($store, 'suite', 'suite_access_token');
    $ofProvider = new \WxToken\EasyWeChat\AccessToken($store, 'provider');
    $app->setSuiteAccessToken($ofSuite);
    $app->setProviderAccessToken($ofProvider);
    $client = new \WxToken\EasyWeChat\HttpClient($app->getHttpClient(), $ofSuite);
    $app->setHttpClient(new \WxToken\EasyWeChat\HttpClient($client, $ofProvider));

    $call = static function () use ($app, $provider): void {
        $json = ['auth_corpid' => $provider, 'permanent_code' => 'x'];
        $query = $app->getSuiteAccessToken()->toQuery();
        $answer = $app->getHttpClient()->request('POST', '/cgi-bin/service/get_auth_info', compact('query', 'json'));
        same(0, $answer->toArray()['errcode'] ?? 0, "errcode by the suite's token");
        $answer = $app->getClient()->postJson('/cgi-bin/service/get_login_info', ['auth_code' => 'x']);
        same(0, $answer->toArray()['errcode'] ?? 0, "errcode by the provider's token");
    };
    $call();
    foreach ([$suite, $provider] as $id) {
        $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
    }
    $call();
    foreach ([$suite, $provider] as $id) {
        same(2, $simulator->counters($id)['minted'], 'mints');
    }
});
