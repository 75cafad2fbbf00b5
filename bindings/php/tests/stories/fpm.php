<?php

declare(strict_types=1);

namespace WxToken\Tests;

use RuntimeException;
use Throwable;

story('forty requests to four PHP-FPM workers, preloaded, cost one token', static function (string $directory) use (
    $simulator
): void {
    [$id, $secret] = $simulator->official();
    $fpm = new Fpm($directory, [
        'WXTOKEN_LIBRARY' => "$directory/libwxtoken.so.0",
        'WXTOKEN_STORE' => "$directory/state/tokens.db",
        'WXTOKEN_API_BASE_URL' => $simulator->http,
        // No worker looks at the store again while this test runs. Each answers from its own memory.
        'WXTOKEN_REVALIDATE_MS' => '60000',
    ]);
    try {
        $first = $fpm->request("id=$id", $secret);
        $token = $fpm->decoded($first->answer())['token'];
        $first->end();
        $workers = [];
        for ($round = 1; $round <= 10; $round++) {
            $tokens = $fpm->tokensOfAllWorkers();
            same(Fpm::WORKERS, count($tokens), 'workers that answered');
            same([$token], array_values(array_unique($tokens)), 'tokens');
            $workers += $tokens;
        }
        same(Fpm::WORKERS, count($workers), 'workers that lived');
        $adapted = $fpm->request('adapter=1');
        same($token, $fpm->decoded($adapted->answer())['token'], 'the token by an adapter');
        $adapted->end();
        $counters = $simulator->counters($id);
        same([1, 1], [$counters['requests'], $counters['minted']], 'requests and mints');

        // The store gets another token. A worker that still returns the old one has it from its own memory.
        $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
        $store = $simulator->open("$directory/state/tokens.db");
        $store->reject('shop', $token);
        check($store->token('shop')->value !== $token, 'the rejected token was given again');
        same([$token], array_values(array_unique($fpm->tokensOfAllWorkers())), 'tokens the workers remember');
    } catch (Throwable $reason) {
        throw new RuntimeException("{$reason->getMessage()}\nPHP-FPM said:\n{$fpm->stop()}", previous: $reason);
    }
    $log = $fpm->stop();
    check(!preg_match('/WARNING|ERROR|exited on signal/', $log), "PHP-FPM complains:\n$log");
    check(!file_exists("$directory/fpm.sock"), "PHP-FPM left its socket:\n$log");
});
