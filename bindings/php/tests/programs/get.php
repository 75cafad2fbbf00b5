<?php

/**
 * A separate process that opens the store, waits for a line, gets the token of the current account, and writes it.
 */

declare(strict_types=1);

require __DIR__ . '/../../preload.php';

$store = new WxToken\Store($argv[1], ['api_base_url' => getenv('WXSIM_HTTP')]);
echo "ready\n";
fgets(STDIN);
echo $store->token()->value, "\n";
