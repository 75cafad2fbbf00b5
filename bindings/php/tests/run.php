<?php

/**
 * Runs every story, or only the named chapters: WXTOKEN_CASES=tests/cases.json wechat-sim exec --quiet -- php
 * bindings/php/tests/run.php
 *
 * The stories use FFI. With --by-extension as the first argument they use the extension, which must be loaded.
 */

declare(strict_types=1);

namespace WxToken\Tests;

require __DIR__ . '/../preload.php';
require __DIR__ . '/harness.php';
require __DIR__ . '/Simulator.php';
require __DIR__ . '/Process.php';
require __DIR__ . '/SharedCase.php';
require __DIR__ . '/FastCgiRequest.php';
require __DIR__ . '/Fpm.php';
require __DIR__ . '/Pair.php';

// A warning is a failure too.
set_error_handler(static function (int $level, string $message, string $file, int $line): bool {
    if ((error_reporting() & $level) !== 0) {
        throw new \ErrorException($message, 0, $level, $file, $line);
    }
    return true;
});

try {
    $simulator = new Simulator();
    $chosen = array_slice($argv, 1);
    $wanted = ($chosen[0] ?? '') === '--by-extension' && array_shift($chosen);
    check(isByExtension() === $wanted, 'the extension wxtoken is ' . ($wanted ? 'not loaded' : 'loaded, without --by-extension'));
    foreach ([isByExtension() ? 'wxtoken' : 'ffi', 'json', 'pcntl', 'posix'] as $extension) {
        check(extension_loaded($extension), "PHP's extension $extension is not loaded: install or enable it");
    }
    \WxToken\Store::version();
    $chapters = ['shared_table', 'errors', 'secrets', 'handles', 'processes', 'fpm', 'package', 'adapters'];
    $chapters[] = isByExtension() ? 'extension' : 'ffi';
    foreach ($chosen ?: $chapters as $chapter) {
        require __DIR__ . "/stories/$chapter.php";
    }
} catch (\Throwable $reason) {
    Tally::$failed++;
    echo "not ok  the tests can start\n        {$reason->getMessage()}\n";
}

finish();
