<?php

/** One process of the mixed test, in PHP: see worker.c. PHP has no threads, so four forked children get the token. */

declare(strict_types=1);

require __DIR__ . '/../../bindings/php/preload.php';

$store = new WxToken\Store();
echo "ready\n";
while (fgets(STDIN) !== false) {
    $pipes = [];
    for ($i = 0; $i < 4; $i++) {
        [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        if (pcntl_fork() === 0) {
            fwrite($theirs, (string) $store->token('shop'));
            // Leaves at once: the parent's objects are not this child's to end.
            posix_kill(getmypid(), SIGKILL);
        }
        fclose($theirs);
        $pipes[] = $ours;
    }
    echo implode(' ', array_map('stream_get_contents', $pipes)), "\n";
    while (pcntl_wait($status) > 0) {
    }
    // The next children inherit what their parent knows: they get a good token while the store is away.
    $store->token('shop');
}
