<?php

/**
 * The cost of a token in PHP: the whole cost of the first one in a request, of a further one, and the minimum for any
 * binding. Run it under warm.py.
 *
 *     bench.php ffi         through FFI
 *     bench.php extension   through the extension, which must be loaded, and against APCu
 */

declare(strict_types=1);

use WxToken\Store;

require __DIR__ . '/../../../bindings/php/preload.php';

const ROUNDS = 100;

/**
 * The time of one call in nanoseconds, averaged over a round.
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
// The number of runs in a round, and the call.
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
