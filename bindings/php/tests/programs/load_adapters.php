<?php

/**
 * Loads the adapters, as Composer would, with the outlines of the SDKs and Debian's Symfony.
 */

declare(strict_types=1);

require_once __DIR__ . '/../../preload.php';
require_once __DIR__ . '/../harness.php';
require_once __DIR__ . '/../Simulator.php';
require_once __DIR__ . '/contracts.php';

$symfony = '/usr/share/php/Symfony/Component/HttpClient/autoload.php';
if (!is_file($symfony)) {
    throw new RuntimeException("there is no $symfony: install it (Debian: apt install php-symfony-http-client)");
}
require_once $symfony;

foreach (['EasyWeChat/Credential', 'EasyWeChat/*', 'WeChatDeveloper/*'] as $pattern) {
    foreach (glob(__DIR__ . "/../../src/$pattern.php") as $file) {
        require_once $file;
    }
}
