<?php

/**
 * Gets the token of "shop" so many times: for callgrind, which counts what it takes.
 */

declare(strict_types=1);

$store = new WxToken\Store($argv[1]);
// No look at the store comes in between.
$store->set('revalidate_ms', 60000);
for ($i = (int) $argv[2]; $i > 0; $i--) {
    $store->token('shop');
}
