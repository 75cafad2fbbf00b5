<?php

/**
 * Runs the adapters with the real SDKs, against the simulator:
 *
 *     composer install
 *     LD_LIBRARY_PATH=… wechat-sim exec --quiet -- php run.php
 *
 * $WXTOKEN_PHP_SDKS names an autoload file to use instead of vendor/autoload.php. It must load the package too.
 */

declare(strict_types=1);

namespace WxToken\Tests;

require __DIR__ . '/../harness.php';
require __DIR__ . '/../Simulator.php';
require __DIR__ . '/../Process.php';
require __DIR__ . '/../Pair.php';

$autoload = getenv('WXTOKEN_PHP_SDKS') ?: __DIR__ . '/vendor/autoload.php';
if (!is_file($autoload)) {
    fwrite(STDERR, "there is no $autoload: run `composer install` in " . __DIR__ . ', which asks packagist.org, or'
        . " put the path of an autoload file into \$WXTOKEN_PHP_SDKS\n");
    exit(1);
}
require $autoload;

try {
    $simulator = new Simulator();
    foreach (
        [
            \EasyWeChat\OfficialAccount\Application::class => 'w7corp/easywechat',
            \WeChat\Contracts\BasicWeChat::class => 'zoujingli/wechat-developer',
            \WxToken\EasyWeChat\HttpClient::class => 'libwxtoken/wxtoken',
        ] as $class => $package
    ) {
        check(class_exists($class), "$autoload does not load $package");
    }
    foreach (['contracts', 'easywechat', 'wechat_developer', 'papers'] as $chapter) {
        require __DIR__ . "/stories/$chapter.php";
    }
} catch (\Throwable $reason) {
    Tally::$failed++;
    echo "not ok  the tests can start\n        {$reason->getMessage()}\n";
}

finish();
