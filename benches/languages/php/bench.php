<?php

/**
 * What a token costs in PHP: all that a request pays for its first one, a further one, and what no binding by FFI can
 * do without. Run it under warm.py.
 */

declare(strict_types=1);

use WxToken\Library;
use WxToken\Store;

require __DIR__ . '/../../../bindings/php/preload.php';

const ROUNDS = 100;
const CALLS = ['php-request' => 25, 'php-get' => 500, 'php-floor' => 2000];

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

$expected = (string) getenv('WXBENCH_TOKEN');
// PHP forgets its FFI objects at the end of a request, and so does this. But it keeps them, for PHP remembers where
// fields are by the address of their struct's type, which must not come again for another type in this process.
$forgotten = [];
$forget = Closure::bind(static function () use (&$forgotten): void {
    $forgotten[] = [Library::$hot, Library::$whole];
    Library::$hot = Library::$whole = null;
}, null, Library::class);
// What they will take is taken once before, for a request seldom has to ask the system for memory.
for ($i = 0; $i <= ROUNDS * CALLS['php-request']; $i++) {
    Library::hot();
    $forget();
}
$forgotten = [];

$store = new Store();
$ffi = Library::load();
$token = $ffi->new('wxtoken_token');
FFI::memcpy($token->value, $expected, strlen($expected));
$token->length = strlen($expected);

$benches = [
    // The library stays in the process, and knows the token.
    'php-request' => static function () use ($forget): string {
        $forget();

        return (new Store())->token('shop')->value;
    },
    'php-get' => static fn (): string => $store->token('shop')->value,
    // An empty call: freeing no handle is a no-op.
    'php-floor' => static function () use ($ffi, $token): string {
        $ffi->wxtoken_free(null);

        return FFI::string($token->value, $token->length);
    },
];
foreach ($benches as $name => $call) {
    if ($call() !== $expected) {
        fwrite(STDERR, "php: $name gives another token than \$WXBENCH_TOKEN: run this under warm.py\n");
        exit(1);
    }
}
for ($round = 0; $round < ROUNDS; $round++) {
    foreach ($benches as $name => $call) {
        echo json_encode(['bench' => $name, 'ns' => nanoseconds(CALLS[$name], $call)]), "\n";
    }
}
