<?php

/**
 * A page that gets the token twice, and returns the nanoseconds of each get. See fpm.php.
 */

declare(strict_types=1);

$start = hrtime(true);
$store = new WxToken\Store();
$first = $store->token('shop')->value;
$then = hrtime(true);
$second = $store->token('shop')->value;
$end = hrtime(true);
unset($store);
$freed = hrtime(true) - $end;

$same = $first === $second && $first === getenv('WXBENCH_TOKEN');
echo json_encode($same ? ['request' => $then - $start + $freed, 'get' => $end - $then] : null), "\n";
flush();
file_get_contents('php://input');
