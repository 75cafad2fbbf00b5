<?php

/**
 * What a token costs in PHP: all that a request pays for its first one, a further one, and what no binding can do without.
 * Run it under warm.py.
 *
 *     bench.php ffi         by FFI
 *     bench.php extension   by the extension, which has to be loaded, and beside APCu
 */

declare(strict_types=1);

use WxToken\Store;

require __DIR__ . '/../../../bindings/php/preload.php';

const ROUNDS = 100;

/**
 * What one call takes, on average of a round, in nanoseconds.
 */
function nanoseconds(int $calls, Closure $call): float
{
    $start = hrtime(true);
    for ($i = 0; $i < $calls; $i++) {
        $call();
    }

    return (hrtime(true) - $start) / $calls;
}

$by = $argv[1];
if (extension_loaded('wxtoken') !== ($by === 'extension')) {
    fwrite(STDERR, "php: bench.php $by, where the extension wxtoken is " . ($by === 'ffi' ? "loaded\n" : "not loaded\n"));
    exit(1);
}
$expected = (string) getenv('WXBENCH_TOKEN');
$store = new Store();
$get = static fn (): string => $store->token('shop')->value;
// How many times in a round, and what.
$benches = (require __DIR__ . "/by_$by.php")($expected, $get);
foreach ($benches as $name => [, $call]) {
    if ($call() !== $expected) {
        fwrite(STDERR, "php: $name gives another token than \$WXBENCH_TOKEN: run this under warm.py\n");
        exit(1);
    }
}
for ($round = 0; $round < ROUNDS; $round++) {
    foreach ($benches as $name => [$calls, $call]) {
        echo json_encode(['bench' => $name, 'ns' => nanoseconds($calls, $call)]), "\n";
    }
}
