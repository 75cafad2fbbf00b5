<?php

/**
 * Gets the token of "shop" this many times, while callgrind counts the instructions.
 */

declare(strict_types=1);

$store = new WxToken\Store($argv[1]);
// No look at the store comes in between.
$store->set('revalidate_ms', 60000);
for ($i = (int) $argv[2]; $i > 0; $i--) {
    $store->token('shop');
}
