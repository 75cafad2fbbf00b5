<?php

declare(strict_types=1);

namespace WxToken\Tests;

use DateTimeImmutable;
use WxToken\Exception\AccountException;
use WxToken\Exception\ApiException;
use WxToken\Exception\ArgumentException;
use WxToken\Exception\TimeoutException;
use WxToken\Store;
use WxToken\Token;
use WxToken\WxTokenException;

story('a refusal of WeChat is an ApiException with its errcode and the time to wait', static function (
    string $directory
) use ($simulator): void {
    [$id] = $simulator->official();
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', $id, 'wrong');
    $failure = thrown(ApiException::class, static fn () => $store->token('shop'));
    check($failure instanceof WxTokenException && $failure instanceof \RuntimeException, 'it is of the wrong family');
    same('WXTOKEN_E_API', $failure->status, 'status');
    same(7, $failure->getCode(), 'code');
    same(40125, $failure->errcode, 'errcode');
    check($failure->retryAfterMs > 0, 'it does not say when to try again');
});

story('every status of the library has an exception of its own', static function (): void {
    $header = file_get_contents(__DIR__ . '/../../../../include/wxtoken.h');
    preg_match_all('/WXTOKEN_E_(\w+) = (\d+)/', $header, $found);
    check(count($found[1]) >= 9, 'found too few statuses in include/wxtoken.h');
    foreach (array_combine($found[1], array_map(intval(...), $found[2])) as $status => $number) {
        $class = 'WxToken\\Exception\\' . ucfirst(strtolower($status)) . 'Exception';
        same($class, WxTokenException::of('', $number, "WXTOKEN_E_$status")::class, "exception of $status");
    }
});

story('a status that this package does not know is a plain WxTokenException', static function (): void {
    $failure = WxTokenException::of('new', 99, 'WXTOKEN_E_NEW');
    same(WxTokenException::class, $failure::class, 'class');
    same([99, 'WXTOKEN_E_NEW'], [$failure->getCode(), $failure->status], 'status');
});

story('a NUL byte is refused in every string, before C sees it', static function (string $directory) use (
    $simulator
): void {
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', 'wx0', 'secret');
    foreach (
        [
            'store' => static fn () => new Store("$directory/other.db\0.txt"),
            'option' => static fn () => $store->set("timeout_ms\0", '1'),
            'value' => static fn () => $store->set('timeout_ms', "300\0"),
            'account' => static fn () => $store->register("shop\0", 'official', 'wx1', 'secret'),
            'kind' => static fn () => $store->register('shop', "official\0", 'wx1', 'secret'),
            'id' => static fn () => $store->register('shop', 'official', "wx1\0", 'secret'),
            'secret' => static fn () => $store->register('shop', 'official', 'wx1', "secret\0"),
            'field' => static fn () => $store->put('shop', "current\0"),
            'name' => static fn () => $store->token("shop\0"),
            'token' => static fn () => $store->reject('shop', "token\0"),
        ] as $name => $call
    ) {
        $failure = thrown(ArgumentException::class, $call);
        same("$name holds a NUL byte", $failure->getMessage(), 'message');
        same([1, 'WXTOKEN_E_ARGUMENT'], [$failure->getCode(), $failure->status], 'status');
    }
    check(!file_exists("$directory/other.db"), 'a store was made at the part of the path before the NUL');
    same('wx0', $store->report()['accounts'][0]['id'], 'id');
});

story('a closed store reports it, and closing it again does nothing', static function (string $directory) use (
    $simulator
): void {
    $store = $simulator->open("$directory/tokens.db");
    $store->close();
    $store->close();
    same('the store is closed', thrown(ArgumentException::class, $store->token(...))->getMessage(), 'message');
    same('the store is closed', thrown(ArgumentException::class, $store->report(...))->getMessage(), 'message');
});

story('options are accepted as strings, numbers and booleans', static function (string $directory) use ($simulator): void {
    [$id, $secret] = $simulator->official();
    $simulator->tell('/faults', ['id' => $id, 'kind' => 'hang']);
    $store = $simulator->open("$directory/tokens.db", ['timeout_ms' => 200, 'background_refresh' => false]);
    $store->set('background_refresh', true);
    $store->set('background_refresh', '0');
    $store->register('shop', 'official', $id, $secret);
    $message = thrown(TimeoutException::class, $store->token(...))->getMessage();
    check(str_contains($message, '200 ms'), "another timeout than the one set: $message");
});

story('a bad option given to the constructor opens nothing', static function (string $directory): void {
    thrown(ArgumentException::class, static fn () => new Store("$directory/tokens.db", ['timeout_ms' => 'soon']));
    thrown(\TypeError::class, static fn () => new Store("$directory/tokens.db", ['timeout_ms' => 1.5]));
});

story('setCurrent decides which account null names', static function (string $directory) use ($simulator): void {
    $store = $simulator->open("$directory/tokens.db");
    foreach (['shop', '店铺'] as $name) {
        $store->register($name, 'official', ...$simulator->official());
    }
    $store->setCurrent('店铺');
    same($store->token('店铺')->value, $store->token()->value, 'the token of the current account');
    check($store->token('shop')->value !== $store->token()->value, 'both accounts have one token');
    thrown(AccountException::class, static fn () => $store->setCurrent('nobody'));
});

story('a token has its expiry time, and reject accepts it as it is', static function (string $directory) use (
    $simulator
): void {
    [$id, $secret] = $simulator->official();
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', $id, $secret);
    $token = $store->token();
    check($token->expiresAt > new DateTimeImmutable('+7190 seconds'), 'it ends too early');
    check($token->expiresAt <= new DateTimeImmutable('+7201 seconds'), 'it ends too late');
    same(0, $simulator->business('official', "$token"), 'errcode of the business API');
    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
    $store->reject(null, $token);
    check($store->token()->value !== $token->value, 'the rejected token was given again');
});

story('a refresh token has no known end, and a ticket has one', static function (string $directory) use (
    $simulator
): void {
    $store = $simulator->open("$directory/tokens.db");
    $store->register('platform', 'component', 'wx0', 'secret');
    $store->register('customer', 'authorizer', 'wx1');
    $store->put('customer', 'parent', 'platform');
    $store->put('customer', 'refresh_token', 'refresh-me');
    $store->put('platform', 'verify_ticket', 'push-me');
    $refresh = $store->token('customer/refresh_token');
    same(['refresh-me', null], [$refresh->value, $refresh->expiresAt], 'the refresh token and its end');
    check($refresh === $store->token('customer/refresh_token'), 'it is made anew each time');
    same(null, $refresh->__debugInfo()['expiresAt'], 'the end that var_dump shows');
    $ticket = $store->token('platform/verify_ticket');
    same('push-me', $ticket->value, 'the verify ticket');
    check($ticket->expiresAt > new DateTimeImmutable('+11 hours'), 'it ends too early');
});

story('an account that needs a secret is refused without one', static function (string $directory) use (
    $simulator
): void {
    $store = $simulator->open("$directory/tokens.db");
    $failure = thrown(ArgumentException::class, static fn () => $store->register('shop', 'official', 'wx0'));
    check(str_contains($failure->getMessage(), 'secret'), $failure->getMessage());
});

story('a token that WeChat returns again has its new expiry time', static function (string $directory) use ($simulator): void {
    [$id, $secret] = $simulator->official();
    $simulator->tell('/faults', ['id' => $id, 'kind' => 'token', 'value' => 'the-same', 'times' => 0]);
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', $id, $secret);
    $first = $store->token();
    $simulator->tell('/accounts', ['id' => $id, 'secret' => $secret, 'kind' => 'official', 'lifetime_ms' => 3600000]);
    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
    $store->reject(null, $first);
    $second = $store->token();
    same($first->value, $second->value, 'token');
    check($second->expiresAt < $first->expiresAt, 'it has the end of before');
});

story('a report of a hundred accounts is complete', static function (string $directory) use ($simulator): void {
    $store = $simulator->open("$directory/tokens.db");
    for ($i = 0; $i < 100; $i++) {
        $store->register("account $i", 'official', "wx$i", 'secret');
    }
    same(100, count($store->report()['accounts']), 'accounts in the report');
});

story('the destructor frees the handle', static function (string $directory) use ($simulator): void {
    $memory = static function (): int {
        preg_match('/VmRSS:\s+(\d+) kB/', file_get_contents('/proc/self/status'), $found);
        return (int) $found[1];
    };
    $open = static function () use ($simulator, $directory): void {
        for ($i = 0; $i < 5000; $i++) {
            $simulator->open("$directory/tokens.db");
        }
    };
    $open();
    $before = $memory();
    $open();
    // 5000 handles that are not freed take more than two megabytes.
    check($memory() - $before < 1000, 'memory grew by ' . $memory() - $before . ' kB');
});
