<?php

/** One process of the mixed test, in PHP: see worker.c. PHP has no threads, so four forked children get the token. */

declare(strict_types=1);

require __DIR__ . '/../../bindings/php/preload.php';

$store = new WxToken\Store();
$children = [];
for ($i = 0; $i < 4; $i++) {
    [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    if (pcntl_fork() === 0) {
        array_map('fclose', [$ours, ...$children]);
        while (fgets($theirs) !== false) {
            fwrite($theirs, $store->token('shop') . "\n");
        }
        // Ends at once, because the parent's objects must not be destroyed by this child.
        posix_kill(getmypid(), SIGKILL);
    }
    fclose($theirs);
    $children[] = $ours;
}
echo "ready\n";
while (fgets(STDIN) !== false) {
    foreach ($children as $child) {
        fwrite($child, "\n");
    }
    echo implode(' ', array_map(fn ($child) => rtrim((string) fgets($child)), $children)), "\n";
}
