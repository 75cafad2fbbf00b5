<?php

/**
 * A page under PHP-FPM, as an application would write it, but that it waits for the end of the request's body before it
 * ends: so the test decides how many workers are busy at once.
 */

declare(strict_types=1);

// As vendor/autoload.php would.
require __DIR__ . '/preload.php';

header('Content-Type: application/json');
try {
    $store = new WxToken\Store();
    if (isset($_GET['id'])) {
        $store->account('shop', 'official', $_GET['id'], $_SERVER['HTTP_X_SECRET']);
    }
    echo json_encode(['pid' => getmypid(), 'token' => $store->token('shop')->value]), "\n";
} catch (Throwable $reason) {
    echo json_encode(['pid' => getmypid(), 'error' => $reason->getMessage()]), "\n";
}
flush();
file_get_contents('php://input');
