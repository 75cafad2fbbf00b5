<?php

declare(strict_types=1);

use WxToken\Store;

return static function (string $expected, Closure $get): array {
    if (!function_exists('apcu_store') || !apcu_store('token', $expected)) {
        fwrite(STDERR, "php: there is no APCu: apt-get install php-apcu, and run this with -d apc.enable_cli=1\n");
        exit(1);
    }
    $closed = new Store();
    $closed->close();

    return [
        'php-extension-request' => [500, static fn (): string => (new Store())->token('shop')->value],
        'php-extension-get' => [5000, $get],
        // An empty call: closing what is closed is a no-op.
        'php-extension-floor' => [5000, static function () use ($closed, $expected): string {
            $closed->close();

            return $expected;
        }],
        'php-apcu' => [5000, static fn (): string => apcu_fetch('token')],
    ];
};
