<?php

declare(strict_types=1);

namespace WxToken\Tests;

use Throwable;

// Forks $count children and returns the results of $act. The children leave by exit(), with all that PHP then does.
$inChildren = static function (int $count, callable $act): array {
    $children = [];
    for ($i = 0; $i < $count; $i++) {
        [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        $child = pcntl_fork();
        check($child >= 0, 'pcntl_fork failed');
        if ($child === 0) {
            try {
                fwrite($theirs, $act());
            } catch (Throwable $reason) {
                fwrite($theirs, $reason->getMessage());
                exit(1);
            }
            exit(0);
        }
        fclose($theirs);
        $children[$child] = $ours;
    }
    $answers = [];
    foreach ($children as $child => $stream) {
        $answers[] = stream_get_contents($stream);
        pcntl_waitpid($child, $status);
        same(0, $status, 'status of a child that said "' . end($answers) . '"');
    }

    return $answers;
};

story('forked children without a token share one fetch', static function (string $directory) use (
    $simulator,
    $inChildren
): void {
    [$id, $secret] = $simulator->official(['delay_ms' => 50]);
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', $id, $secret);
    $tokens = $inChildren(8, static fn () => $store->token()->value);
    same(1, count(array_unique($tokens)), 'tokens');
    same($tokens[0], $store->token()->value, 'the token of the parent');
    $counters = $simulator->counters($id);
    same([1, 1], [$counters['requests'], $counters['minted']], 'requests and mints');
});

story('forked children have the token of their parent, and all go on', static function (string $directory) use (
    $simulator,
    $inChildren
): void {
    [$id, $secret] = $simulator->official();
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', $id, $secret);
    $token = $store->token()->value;
    $tokens = $inChildren(4, static function () use ($store, $simulator, $directory): string {
        $first = $store->token()->value;
        $store->close();
        // The child's own handle.
        $second = $simulator->open("$directory/tokens.db")->token()->value;
        same($first, $second, 'the token of a new handle');
        return $second;
    });
    same([$token], array_values(array_unique($tokens)), 'tokens of the children');
    same($token, $store->token()->value, 'the token of the parent');

    $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
    $inChildren(1, static function () use ($store, $token): string {
        $store->reject('shop', $token);
        return $store->token()->value;
    });
    $store->set('revalidate_ms', 0);
    check($store->token()->value !== $token, 'the parent does not see what the child rejected');
    same(2, $simulator->counters($id)['requests'], 'requests');
});

story('sixteen processes on an empty store mint one token', static function (string $directory) use (
    $simulator
): void {
    [$id, $secret] = $simulator->official(['delay_ms' => 50]);
    $simulator->open("$directory/tokens.db")->register('shop', 'official', $id, $secret);
    $processes = [];
    for ($i = 0; $i < 16; $i++) {
        $processes[] = new Process([PHP_BINARY, __DIR__ . '/../programs/get.php', "$directory/tokens.db"]);
    }
    foreach ($processes as $process) {
        same('ready', $process->line(), 'the first line of a process');
    }
    foreach ($processes as $process) {
        $process->write("go\n");
    }
    $tokens = array_map(static fn (Process $process) => $process->line(), $processes);
    foreach ($processes as $process) {
        same(0, $process->end(), 'exit code');
    }
    same(1, count(array_unique($tokens)), 'tokens');
    same(0, $simulator->business('official', $tokens[0]), 'errcode of the business API');
    $counters = $simulator->counters($id);
    same([1, 1], [$counters['requests'], $counters['minted']], 'requests and mints');
});
