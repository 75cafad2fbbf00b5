<?php

/**
 * Registers an account, gets its token, and prints how long that took.
 *
 *     WXTOKEN_ID=wx0123456789abcdef WXTOKEN_SECRET=… php first_get.php
 *
 * The library itself reads $WXTOKEN_STORE, $WXTOKEN_API_BASE_URL and $WXTOKEN_WORK_BASE_URL.
 */

declare(strict_types=1);

require __DIR__ . '/../preload.php'; // with Composer: vendor/autoload.php

use WxToken\Store;
use WxToken\WxTokenException;

try {
    $store = new Store();
    if (($id = getenv('WXTOKEN_ID')) !== false) {
        $store->register('demo', getenv('WXTOKEN_KIND') ?: 'official', $id, (string) getenv('WXTOKEN_SECRET'));
    }
    $before = hrtime(true);
    $token = $store->token('demo');
    $microseconds = intdiv(hrtime(true) - $before, 1000);
} catch (WxTokenException $failure) {
    fwrite(STDERR, $failure->getMessage() . "\n");
    exit(1);
}

printf(
    "php  %s…%s  %d chars  expires in %d s  %d us\n",
    substr($token->value, 0, 8),
    substr($token->value, -4),
    strlen($token->value),
    $token->expiresAt->getTimestamp() - time(),
    $microseconds,
);
