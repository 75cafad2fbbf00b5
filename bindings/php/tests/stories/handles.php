<?php

declare(strict_types=1);

namespace WxToken\Tests;

use WxToken\Exception\AccountException;
use WxToken\Exception\ArgumentException;
use WxToken\Exception\TimeoutException;
use WxToken\Store;

// The extension reuses handles. Programs must not notice: these stories also pass with FFI.

/**
 * Returns how long a Store says that it waited for a fetch that hangs. It uses its own account, because a failure is
 * shared.
 */
$patience = static function (Store $store, string $path) use ($simulator): string {
    [$id, $secret] = $simulator->official();
    $simulator->tell('/faults', ['id' => $id, 'kind' => 'hang', 'times' => 0]);
    $simulator->open($path)->register($id, 'official', $id, $secret);
    $message = thrown(TimeoutException::class, static fn () => $store->token($id))->getMessage();
    check(preg_match('/\b(\d+) ms\b/', $message, $found) === 1, "it does not say how long it waited: $message");

    return $found[1];
};

story('an option set on one Store does not apply to the next', static function (string $directory) use (
    $simulator,
    $patience
): void {
    $path = "$directory/tokens.db";
    foreach ([false, true] as $areTogether) {
        $store = $simulator->open($path, ['timeout_ms' => 150]);
        $other = $areTogether ? $simulator->open($path, ['timeout_ms' => 150]) : null;
        same('150', $patience($store, $path), 'ms that the first waits');
        $store->set('timeout_ms', 90);
        same('90', $patience($store, $path), 'ms that the first waits with another option');
        $store->close();
        $other ??= $simulator->open($path, ['timeout_ms' => 150]);
        same('150', $patience($other, $path), 'ms that the second waits');
    }
    same('110', $patience($simulator->open($path, ['timeout_ms' => '110']), $path), 'ms that a third waits');
    same('150', $patience($simulator->open($path, ['timeout_ms' => '150']), $path), 'ms that a fourth waits');
});

story('each Store uses the environment of the time when it is opened', static function (string $directory) use (
    $simulator,
    $patience
): void {
    $path = "$directory/tokens.db";
    try {
        foreach (['160', '120', '160'] as $ms) {
            putenv("WXTOKEN_TIMEOUT_MS=$ms");
            same($ms, $patience($simulator->open($path), $path), 'ms that it waits');
        }
        foreach (['a', 'b', 'a'] as $name) {
            putenv("WXTOKEN_STORE=$directory/$name.db");
            (new Store())->report();
            check(is_file("$directory/$name.db"), "the Store is not $name.db");
        }
    } finally {
        putenv('WXTOKEN_TIMEOUT_MS');
        putenv('WXTOKEN_STORE');
    }
});

story('a relative path is relative to the current directory', static function (string $directory) use (
    $simulator
): void {
    $before = getcwd();
    try {
        foreach (['a', 'b', 'a', 'b'] as $name) {
            is_dir("$directory/$name") || mkdir("$directory/$name");
            chdir("$directory/$name");
            (new Store('tokens.db'))->report();
            check(is_file("$directory/$name/tokens.db"), "the Store opened in $name is elsewhere");
            putenv('WXTOKEN_STORE=other.db');
            (new Store())->report();
            check(is_file("$directory/$name/other.db"), "the Store of the environment is elsewhere than in $name");
            putenv('WXTOKEN_STORE');
        }
        copy($simulator->caFile, "$directory/b/ca.pem");
        $open = static fn (): Store => new Store("$directory/tokens.db", ['ca_file' => 'ca.pem']);
        $open()->report();
        chdir("$directory/a");
        thrown(ArgumentException::class, $open);
    } finally {
        putenv('WXTOKEN_STORE');
        chdir($before);
    }
});

story('a Store that nothing names is refused, also after another Store', static function (string $directory): void {
    $open = 'require $argv[1]; (new WxToken\Store($argv[2]))->close();'
        . ' try { new WxToken\Store(); } catch (WxToken\Exception\ArgumentException $e) { echo $e->getMessage(); }';
    // A worker of a PHP-FPM that root has not started has none of these.
    $without = [];
    foreach (preg_grep('/^(WXTOKEN_.*|HOME|XDG_STATE_HOME)$/', array_keys(getenv())) as $variable) {
        array_push($without, '-u', $variable);
    }
    $php = ['env', ...$without, PHP_BINARY, '-r', $open, dirname(__DIR__, 2) . '/preload.php', "$directory/tokens.db"];
    [$code, $said] = Process::run($php);
    same(0, $code, "exit code, where it said \"$said\"");
    check(str_contains($said, 'HOME is not set'), "it says: $said");
});

story('a path that leads elsewhere is followed soon', static function (string $directory): void {
    foreach (['old', 'new'] as $name) {
        mkdir("$directory/$name");
        (new Store("$directory/$name/tokens.db"))->register($name, 'official', 'wx0', 'secret');
    }
    symlink('old', "$directory/current");
    $account = static fn (): string => (new Store("$directory/current/tokens.db"))->report()['accounts'][0]['name'];
    same('old', $account(), 'account');
    unlink("$directory/current");
    symlink('new', "$directory/current");
    $deadline = hrtime(true) + 30_000_000_000;
    while ($account() !== 'new') {
        check(hrtime(true) < $deadline, 'the Store is still the old one');
    }
});

story('an account that a closed Store has registered is not restored', static function (string $directory): void {
    $path = "$directory/tokens.db";
    $store = new Store($path, ['revalidate_ms' => 0]);
    $store->register('shop', 'official', 'wx0', 'secret');
    $store->close();
    unlink($path);
    $store = new Store($path, ['revalidate_ms' => 0]);
    thrown(AccountException::class, static fn () => $store->token('shop'));
    same([], $store->report()['accounts'], 'accounts');
});

story('Stores that are open at once each have a handle, and leak no memory', static function (
    string $directory
) use ($simulator): void {
    [$id, $secret] = $simulator->official();
    $path = "$directory/tokens.db";
    $simulator->open($path)->register('shop', 'official', $id, $secret);
    $token = $simulator->open($path)->token()->value;
    $open = static function () use ($simulator, $path, $token): void {
        $stores = array_map(static fn () => $simulator->open($path), range(1, 40));
        $stores[7]->set('timeout_ms', 900);
        foreach ($stores as $at => $store) {
            same($token, $store->token('shop')->value, 'token');
            $at % 3 === 0 && $store->close();
        }
    };
    $resident = static fn (): int => preg_match('/VmRSS:\s+(\d+)/', file_get_contents('/proc/self/status'), $found) ? (int) $found[1] : 0;
    array_map($open, range(1, 100));
    $before = $resident();
    array_map($open, range(1, 200));
    // 8000 handles that are not freed take more than two megabytes.
    check($resident() - $before < 1000, 'memory grew by ' . $resident() - $before . ' kB');
});

story('a Store cannot be opened twice, and one that was never opened is closed', static function (
    string $directory
): void {
    $store = new Store("$directory/tokens.db");
    thrown(\Error::class, static fn () => $store->__construct("$directory/other.db"));
    same(0, count($store->report()['accounts']), 'accounts of the Store that is open');
});
