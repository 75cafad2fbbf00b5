<?php

/**
 * The cost of a token from Redis, by the extension redis on a kept connection. Run it under warm.py and with_redis.py.
 */

declare(strict_types=1);

require __DIR__ . '/rounds.php';

$redis = new Redis();
$redis->connect((string) getenv('WXBENCH_REDIS'));
$redis->set('access_token', getenv('WXBENCH_TOKEN'), 7200);
measure(['phpredis' => [static fn (): string => $redis->get('access_token'), 40]]);
