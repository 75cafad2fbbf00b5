<?php

declare(strict_types=1);

const ROUNDS = 100;

/**
 * Measures calls in turns, many short rounds of each, and prints a line of JSON per round.
 *
 * @param array<string, array{Closure, int}> $peers Calls that return the token, and their number in a round.
 */
function measure(array $peers): void
{
    foreach ($peers as $name => [$get]) {
        if ($get() !== getenv('WXBENCH_TOKEN')) {
            throw new RuntimeException("$name: this is not the token of \$WXBENCH_TOKEN: run this under warm.py");
        }
    }
    for ($round = 0; $round < ROUNDS; $round++) {
        foreach ($peers as $name => [$get, $calls]) {
            $start = hrtime(true);
            for ($i = 0; $i < $calls; $i++) {
                $get();
            }
            echo json_encode(['bench' => $name, 'ns' => (hrtime(true) - $start) / $calls]), "\n";
        }
    }
}
