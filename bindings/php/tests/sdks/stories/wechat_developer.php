<?php

declare(strict_types=1);

namespace WxToken\Tests;

story('two processes of WeChatDeveloper through an expiry, a revocation and a refresh by one of them', static function (
    string $directory
) use (
    $pair,
    $all
): void {
    $ours = $pair($directory, 'wechat-developer', "$directory/tokens.db");
    $alone = $pair($directory, 'wechat-developer', null);
    $both = [$ours, $alone];

    $event = 'a first token';
    $all($both, static fn (Pair $pair) => $pair->call($event));
    $ours->counts($event, 1, 1);
    $alone->counts($event, 2, 2);

    $event = 'an expiry';
    Pair::expire(SOON_MS);
    $all($both, static fn (Pair $pair) => $pair->lifetime(HOURS_MS));
    $all($both, static fn (Pair $pair) => $pair->call($event));
    $ours->counts($event, 2, 2);
    $alone->counts($event, 4, 4);

    $event = 'a revocation';
    $all($both, static fn (Pair $pair) => $pair->lifetime(SOON_MS));
    $all($both, static fn (Pair $pair) => $pair->revoke());
    $all($both, static fn (Pair $pair) => $pair->call($event));
    $ours->counts($event, 3, 3);
    $alone->counts($event, 6, 6);

    $event = 'a refresh by the other process';
    Pair::expire(SOON_MS);
    $all($both, static fn (Pair $pair) => $pair->lifetime(HOURS_MS));
    $all($both, static fn (Pair $pair) => $pair->call($event, order: ['there', 'here']));
    $ours->counts($event, 4, 4);
    $alone->counts($event, 8, 8);

    $all($both, static fn (Pair $pair) => $pair->end());
});

story('the cache of WeChatDeveloper holds no token of the store', static function (string $directory) use (
    $simulator,
    $pair
): void {
    $event = 'a revocation that the other process has found';
    // Both share one cache. A token in it would be returned here after it was refused there. Each look at the store
    // sees the other process's changes.
    $seen = ['WXTOKEN_REVALIDATE_MS' => '0'];
    $ours = $pair($directory, 'wechat-developer', "$directory/tokens.db", oneCache: true, environment: $seen);
    $ours->lifetime(HOURS_MS);
    $ours->call('a first token');
    $ours->revoke();
    $refused = $simulator->refusals();
    $ours->call($event, order: ['there', 'here', 'here']);
    $ours->counts($event, 2, 2);
    same(1, $simulator->refusals() - $refused, 'calls that were refused');
    same([], glob("$directory/cache-*/*_access_token"), 'tokens in the cache');
    $ours->end();

    // With a closure instead, the refused token is returned again.
    $sdk = 'wechat-developer, a closure';
    $closure = $pair($directory, $sdk, "$directory/closure.db", oneCache: true, environment: $seen);
    $closure->lifetime(HOURS_MS);
    $closure->call('a first token');
    $closure->revoke();
    $closure->call($event, 'WeChat\Exceptions\InvalidResponseException 40001', ['there', 'here', 'here']);
    $closure->counts($event, 1, 1);
    same(1, count(glob("$directory/cache-*/*_access_token")), 'tokens in the cache');
    $closure->end();
});

story('a long-lived client of WeChatDeveloper survives one refusal', static function (string $directory) use (
    $pair
): void {
    $ours = $pair($directory, 'wechat-developer, one client', "$directory/tokens.db");
    $ours->call('a first token');
    Pair::expire(SOON_MS);
    $ours->call('an expiry');
    Pair::expire(SOON_MS);
    $ours->call('a second expiry', 'WeChat\Exceptions\InvalidResponseException 42001');
    $ours->end();
});

story('eight processes at once fetch one token with the store, and several with their SDK', static function (
    string $directory
) use (
    $simulator,
    $autoload
): void {
    foreach (['official account', 'wechat-developer'] as $sdk) {
        foreach (['by the store', 'by itself'] as $how) {
            // The delay is so long that all are under way before the first answer is in the cache.
            [$id, $secret] = $simulator->official(['delay_ms' => 500]);
            $store = "$directory/$id.db";
            $simulator->open($store)->register('shop', 'official', $id, $secret);
            $arguments = [$autoload, $sdk, $id, $secret, ...($how === 'by the store' ? [$store] : [])];
            mkdir("$directory/$id");
            $processes = [];
            for ($i = 0; $i < 8; $i++) {
                $program = __DIR__ . '/../client.php';
                $processes[] = new Process([PHP_BINARY, $program, ...$arguments], ['TMPDIR' => "$directory/$id"]);
            }
            foreach ($processes as $process) {
                same('ready', $process->line(), 'the first line of a process');
            }
            foreach ($processes as $process) {
                $process->write("call\n");
            }
            $answers = array_map(static fn (Process $process): ?string => $process->line(), $processes);
            array_map(static fn (Process $process) => $process->end(), $processes);
            $minted = $simulator->counters($id)['minted'];
            echo "        $sdk $how: $minted of 8\n";
            if ($how === 'by the store') {
                same(array_fill(0, 8, 'ok'), $answers, "$sdk $how: what the calls said");
                same(1, $minted, "$sdk $how: mints");
            } else {
                check($minted > 1, "$sdk $how: $minted mints");
            }
        }
    }
});

story('instance() of WeChatDeveloper takes the callback', static function (string $directory) use ($simulator): void {
    [$id, $secret] = $simulator->official();
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', $id, $secret);
    $config = ['appid' => $id, 'appsecret' => 'in-the-store', 'cache_path' => $directory];
    $config['GetAccessTokenCallback'] = $callback = new \WxToken\WeChatDeveloper\AccessTokenCallback($store, 'shop');
    $client = \WeChat\User::instance($config);
    same($store->token('shop')->value, $client->getAccessToken(), 'the token');
    check($client === \WeChat\User::instance($config), 'another client for the same configuration');
    $config['GetAccessTokenCallback'] = new \WxToken\WeChatDeveloper\AccessTokenCallback($store, 'shop');
    check($client !== \WeChat\User::instance($config), 'the same client for another callback');
    thrown(\LogicException::class, static fn () => unserialize(serialize($callback)));
});

story("the project's own cache functions go on, except for tokens", static function (string $directory) use (
    $simulator
): void {
    $tools = \WeChat\Contracts\Tools::class;
    $before = $tools::$cache_callable;
    $kept = new \ArrayObject();
    $own = static function (string $name, mixed $value, int $expired) use ($kept): string {
        $kept[$name] = [$value, $expired];
        return $name;
    };
    try {
        foreach ([null, $own] as $set) {
            // Set after an earlier callback has run, as a project may do.
            $tools::$cache_callable = ['set' => $set] + $before;
            [$id, $secret] = $simulator->official();
            $store = $simulator->open("$directory/tokens.db");
            $store->register($id, 'official', $id, $secret);
            $client = new \WeChat\Limit([
                'appid' => $id,
                'appsecret' => 'in-the-store',
                'cache_path' => $directory,
                'GetAccessTokenCallback' => new \WxToken\WeChatDeveloper\AccessTokenCallback($store, $id),
            ]);
            same($store->token($id)->value, $client->getAccessToken(), 'the token');
            $tools::setCache('key', 'value', 60);
            $tools::setCache('other_access_token', 'another', 60);
            if ($set === null) {
                same(['value', 'another'], [$tools::getCache('key'), $tools::getCache('other_access_token')], 'kept');
            } else {
                $expected = ['key' => ['value', 60], 'other_access_token' => ['another', 60]];
                same($expected, $kept->getArrayCopy(), 'kept');
            }
            same(null, $tools::getCache("{$id}_access_token"), 'the token in the cache');
        }
    } finally {
        $tools::$cache_callable = $before;
    }
});

story('WeChatDeveloper signs pages with a ticket of the store', static function (string $directory) use (
    $simulator
): void {
    [$id, $secret] = $simulator->official();
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', $id, $secret);
    $url = 'https://shop.example/goods?id=1';
    $script = new \WeChat\Script(['appid' => $id, 'appsecret' => '-', 'cache_path' => $directory]);
    $signed = $script->getJsSign($url, null, $store->token('shop/jsapi_ticket')->value);
    $page = ['appid' => $id, 'url' => $url, 'noncestr' => $signed['nonceStr']]
        + ['timestamp' => $signed['timestamp'], 'signature' => $signed['signature']];
    same(['ok' => true], $simulator->tell('/js_config', $page), 'what the page is told');
});
