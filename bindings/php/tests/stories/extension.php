<?php

declare(strict_types=1);

namespace WxToken\Tests;

use WxToken\Exception\AccountException;
use WxToken\Store;
use WxToken\Token;
use WxToken\WxTokenException;

story('the classes of the extension have the signatures of src/', static function (): void {
    $seen = [];
    foreach (['extension' => [PHP_BINARY], 'src' => [PHP_BINARY, '-n']] as $where => $php) {
        [$code, $said] = Process::run([...$php, __DIR__ . '/../programs/signatures.php']);
        same(0, $code, $said);
        $seen[$where] = json_decode($said, true, flags: JSON_THROW_ON_ERROR);
        same($where === 'extension', array_shift($seen[$where]), "whether the extension has them, with $php[0]");
    }
    foreach ($seen['src'] as $class => $told) {
        foreach ($told as $what => $value) {
            same($value, $seen['extension'][$class][$what] ?? null, "$what of $class");
        }
    }
    same(count($seen['src']), count($seen['extension']), 'classes');
});

story('the extension has the version of its library', static function (): void {
    same(phpversion('wxtoken'), Store::version(), 'version');
    ob_start();
    phpinfo(INFO_MODULES);
    check(str_contains(ob_get_clean(), 'libwxtoken => ' . Store::version()), 'phpinfo() does not name the library');
});

story('no class of src/ is read if the extension is loaded', static function (string $directory): void {
    (new Store("$directory/tokens.db"))->report();
    thrown(AccountException::class, static fn () => (new Store("$directory/tokens.db"))->token('nobody'));
    same([], array_values(preg_grep('~/bindings/php/src/(?!EasyWeChat|WeChatDeveloper)~', get_included_files())), 'files');
});

story('PHP-FPM needs neither FFI nor preloading with the extension', static function (string $directory) use (
    $simulator
): void {
    [$id, $secret] = $simulator->official();
    $fpm = new Fpm($directory, [
        'WXTOKEN_STORE' => "$directory/state/tokens.db",
        'WXTOKEN_API_BASE_URL' => $simulator->http,
    ], preload: false, settings: ['ffi.enable=0']);
    try {
        $request = $fpm->request("id=$id", $secret);
        $token = $fpm->decoded($request->answer())['token'];
        $request->end();
        for ($round = 1; $round <= 3; $round++) {
            same([$token], array_values(array_unique($fpm->tokensOfAllWorkers())), 'tokens');
        }
    } finally {
        $log = $fpm->stop();
    }
    check(!preg_match('/WARNING|ERROR|exited on signal/', $log), "PHP-FPM complains:\n$log");
    same(1, $simulator->counters($id)['minted'], 'mints');
});

story('a forked child has its own handles, also of those that were idle', static function (
    string $directory
) use ($simulator): void {
    [$id, $secret] = $simulator->official();
    $path = "$directory/tokens.db";
    $simulator->open($path)->register('shop', 'official', $id, $secret);
    $token = $simulator->open($path)->token('shop')->value;
    for ($i = 0; $i < 4; $i++) {
        $child = pcntl_fork();
        if ($child === 0) {
            exit($simulator->open($path)->token('shop')->value === $token ? 0 : 1);
        }
        same($token, $simulator->open($path)->token('shop')->value, 'the token of the parent');
        pcntl_waitpid($child, $status);
        same(0, $status, 'status of a child');
    }
    same(1, $simulator->counters($id)['minted'], 'mints');
});

story('a token or an exception can be constructed, and cannot be changed', static function (): void {
    $end = new \DateTimeImmutable('@1800000000');
    $token = new Token('abc', $end);
    same(['abc', $end], [$token->value, $token->expiresAt], 'value and end');
    foreach (
        [
            static fn () => $token->__construct('other', null),
            static fn () => $token->value = 'other',
            static fn () => clone new Store('/nonexistent/'),
        ] as $change
    ) {
        thrown(\Throwable::class, $change);
    }
    same('abc', "$token", 'the token as a string');
    same(['value' => 'abc'], array_intersect_key(json_decode(json_encode($token), true), ['value' => 1]), 'as JSON');
    $reason = new \Exception('why');
    $failure = new WxTokenException('what', 7, 'WXTOKEN_E_API', 40001, 5, previous: $reason);
    same(
        ['what', 7, 'WXTOKEN_E_API', 40001, 5, $reason],
        [
            $failure->getMessage(),
            $failure->getCode(),
            $failure->status,
            $failure->errcode,
            $failure->retryAfterMs,
            $failure->getPrevious(),
        ],
        'what a failure holds',
    );
    thrown(\Error::class, static fn () => $failure->errcode = 1);
});
