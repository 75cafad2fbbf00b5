<?php

/**
 * The cost of a token in real requests to PHP-FPM, set up as the binding's README says: the whole cost of a page's first
 * token, and of a further one. Run it under warm.py, as `fpm.php ffi` or `fpm.php extension`.
 */

declare(strict_types=1);

use WxToken\Tests\Fpm;

const ROUNDS = 100;
const REQUESTS = 3; // in a round

$binding = __DIR__ . '/../../../bindings/php';
require "$binding/preload.php";
foreach (['harness', 'Process', 'FastCgiRequest', 'Fpm'] as $file) {
    require "$binding/tests/$file.php";
}

$name = ['ffi' => 'php-fpm', 'extension' => 'php-fpm-extension'][$argv[1]];
if (extension_loaded('wxtoken') !== ($argv[1] === 'extension')) {
    throw new RuntimeException("fpm.php $argv[1], and the extension wxtoken is not as that says");
}
$directory = sys_get_temp_dir() . '/wxtoken-bench-' . bin2hex(random_bytes(6));
mkdir($directory);
try {
    $environment = ['WXTOKEN_STORE' => "$directory/state/tokens.db", 'WXTOKEN_LIBRARY' => "$directory/libwxtoken.so.0"];
    foreach (['WXTOKEN_API_BASE_URL', 'WXBENCH_TOKEN'] as $variable) {
        $environment[$variable] = (string) getenv($variable);
    }
    $fpm = new Fpm($directory, $environment);
    try {
        copy(__DIR__ . '/page.php', "$directory/package/page.php");
        copy((string) getenv('WXTOKEN_STORE'), "$directory/state/tokens.db");
        chown("$directory/state/tokens.db", fileowner("$directory/state"));
        // The first round warms up, and is not printed.
        for ($round = 0; $round <= ROUNDS; $round++) {
            $sums = ['request' => 0, 'get' => 0];
            for ($i = 0; $i < REQUESTS; $i++) {
                $request = $fpm->request();
                $answer = $request->answer();
                $request->end();
                $times = json_decode($answer, true);
                if ($times === null) {
                    throw new RuntimeException("the page did not get the token of \$WXBENCH_TOKEN: $answer");
                }
                foreach ($times as $what => $ns) {
                    $sums[$what] += $ns;
                }
            }
            foreach ($round > 0 ? $sums : [] as $what => $ns) {
                echo json_encode(['bench' => "$name-$what", 'ns' => $ns / REQUESTS]), "\n";
            }
        }
    } finally {
        $fpm->stop();
    }
} finally {
    exec('rm -r ' . escapeshellarg($directory));
}
