<?php

declare(strict_types=1);

namespace WxToken\Tests;

use LogicException;
use Throwable;

story('var_dump and print_r show no token', static function (string $directory) use ($simulator): void {
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', ...$simulator->official());
    $token = $store->token();
    ob_start();
    var_dump($token, $store);
    print_r([$token, $store]);
    $shown = ob_get_clean();
    check(str_contains($shown, '(hidden)'), $shown);
    check(!str_contains($shown, $token->value), 'the token is shown');
    same($token->value, (string) $token, 'the token as a string');
});

story('a pushed secret is hidden in the same way', static function (string $directory) use ($simulator): void {
    $store = $simulator->open("$directory/tokens.db");
    $store->register('platform', 'component', 'wx0', 'secret');
    $ticket = bin2hex(random_bytes(16));
    $store->put('platform', 'verify_ticket', $ticket);
    $token = $store->token('platform/verify_ticket');
    same($ticket, "$token", 'the ticket');
    ob_start();
    var_dump($token, $store);
    check(!str_contains(ob_get_clean(), $ticket), 'the ticket is shown');
    check(!str_contains(json_encode($store->report()), $ticket), 'the ticket is reported');
});

story('tokens and stores can be neither serialised nor copied', static function (string $directory) use (
    $simulator
): void {
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', ...$simulator->official());
    $token = $store->token();
    thrown(LogicException::class, static fn () => serialize($token));
    thrown(LogicException::class, static fn () => unserialize('O:13:"WxToken\Token":1:{s:5:"value";s:1:"x";}'));
    thrown(Throwable::class, static fn () => serialize($store));
    thrown(\Error::class, static fn () => clone $store);
});

story('no stack trace shows a secret, a token or an option', static function (string $directory) use (
    $simulator
): void {
    $store = $simulator->open("$directory/tokens.db");
    $store->register('platform', 'component', 'wx0', 'secret');
    $ignored = ini_set('zend.exception_ignore_args', '0');
    try {
        foreach (
            [
                static fn (string $hidden) => $store->register('shop', 'personal', 'wx0', $hidden),
                static fn (string $hidden) => $store->register('shop', 'official', 'wx0', "$hidden\0"),
                static fn (string $hidden) => $store->register('customer', 'authorizer', 'wx0', $hidden),
                static fn (string $hidden) => $store->put('nobody', 'refresh_token', $hidden),
                static fn (string $hidden) => $store->put('platform', 'refresh_token', $hidden),
                static fn (string $hidden) => $store->put('platform', 'verify_ticket', "$hidden\0"),
                static fn (string $hidden) => $store->put('platform', 'verify_ticket', "{$hidden}é"),
                static fn (string $hidden) => $store->put('platform', 'verify_ticket', str_repeat($hidden, 20)),
                static fn (string $hidden) => $store->reject('nobody', $hidden),
                static fn (string $hidden) => $store->set('proxy', $hidden),
                static fn (string $hidden) => $simulator->open("$directory/tokens.db", ['proxy' => $hidden]),
            ] as $call
        ) {
            $hidden = bin2hex(random_bytes(16));
            $failure = thrown(Throwable::class, static fn () => $call($hidden));
            check(!str_contains($failure->getMessage(), $hidden), "shown: {$failure->getMessage()}");

            $ours = static fn (array $frame): bool => str_starts_with($frame['class'] ?? '', 'WxToken\\')
                && !str_starts_with($frame['class'], __NAMESPACE__);
            $arguments = array_column(array_filter($failure->getTrace(), $ours), 'args');
            check($arguments !== [], "a trace without our frames: $failure");
            // PHP 8.1 does not know #[\SensitiveParameter].
            $shown = PHP_VERSION_ID >= 80200 && str_contains(print_r($arguments, true), $hidden);
            check(!$shown, 'the trace shows it');
        }
    } finally {
        ini_set('zend.exception_ignore_args', $ignored);
    }
});
