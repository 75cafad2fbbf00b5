<?php

/**
 * bench.php with declarations that PHP parsed at its start (ffi.preload). Run it under warm.py.
 */

declare(strict_types=1);

$file = tempnam(sys_get_temp_dir(), 'wxtoken-bench-');
try {
    $print = [PHP_BINARY, __DIR__ . '/../../../bindings/php/bin/ffi-preload'];
    file_put_contents($file, shell_exec(implode(' ', array_map(escapeshellarg(...), $print))));
    $bench = [PHP_BINARY, '-d', "ffi.preload=$file", __DIR__ . '/bench.php', 'ffi'];
    passthru(implode(' ', array_map(escapeshellarg(...), $bench)), $code);
} finally {
    unlink($file);
}
exit($code);
