<?php

/**
 * A preload file that also uses the store, in the master: what the library knows by then is forked into every worker.
 */

declare(strict_types=1);

require __DIR__ . '/php/preload.php';

$store = new WxToken\Store();
$store->account('shop', 'official_classic', getenv('SHOP_ID'), getenv('SHOP_SECRET'));
$store->token('shop');
file_put_contents(dirname(getenv('WXTOKEN_STORE')) . '/preloaded-by', (string) getmypid());
