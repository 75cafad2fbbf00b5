<?php

/** An application's page, which opens the store in each request. ?reject=TOKEN says that the API refused TOKEN. */

declare(strict_types=1);

header('Content-Type: application/json');
try {
    $store = new WxToken\Store();
    if (isset($_GET['reject'])) {
        $store->reject('shop', $_GET['reject']);
    }
    $token = $store->token($_GET['name'] ?? 'shop');
    echo json_encode(['token' => $token->value, 'user' => posix_getpwuid(posix_geteuid())['name']]), "\n";
} catch (Throwable $reason) {
    echo json_encode(['error' => get_class($reason) . ': ' . $reason->getMessage()]), "\n";
}
