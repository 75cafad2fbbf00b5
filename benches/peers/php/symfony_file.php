<?php

/**
 * The cost of a token from Symfony's file cache, where EasyWeChat keeps it: of a get, and of a request, which first creates
 * the cache's objects. Run it under warm.py.
 */

declare(strict_types=1);

use Symfony\Component\Cache\Adapter\FilesystemAdapter;
use Symfony\Component\Cache\Psr16Cache;

require 'Psr/SimpleCache/autoload.php';
require 'Symfony/Component/Cache/autoload.php';
require __DIR__ . '/rounds.php';

$directory = sys_get_temp_dir() . '/wxtoken-bench-' . bin2hex(random_bytes(6));
// As in EasyWeChat 6, except for the directory.
$open = static fn (): Psr16Cache => new Psr16Cache(new FilesystemAdapter('easywechat', 1500, $directory));
$key = 'official_account.access_token.' . getenv('WXBENCH_APPID');
try {
    $cache = $open();
    $cache->set($key, getenv('WXBENCH_TOKEN'), 7200);
    measure([
        'symfony-file' => [static fn (): string => $cache->get($key), 40],
        'symfony-file-request' => [static fn (): string => $open()->get($key), 40],
    ]);
} finally {
    exec('rm -r ' . escapeshellarg($directory));
}
