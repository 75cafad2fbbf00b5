<?php

/**
 * A page under PHP-FPM, as an application would write it. It also waits for the end of the request's body, so that the
 * test decides how many workers are busy at once.
 */

declare(strict_types=1);

// As vendor/autoload.php would.
require __DIR__ . '/preload.php';

header('Content-Type: application/json');
try {
    $store = new WxToken\Store();
    if (isset($_GET['id'])) {
        $store->register('shop', 'official', $_GET['id'], $_SERVER['HTTP_X_SECRET']);
    }
    if (isset($_GET['adapter'])) {
        // Loaded in the request, as Composer does. It cannot be preloaded, because it extends classes of the SDK.
        require __DIR__ . '/contracts.php';
        require __DIR__ . '/src/EasyWeChat/Credential.php';
        require __DIR__ . '/src/EasyWeChat/AccessToken.php';
        $token = (new WxToken\EasyWeChat\AccessToken($store, 'shop'))->getToken();
    } else {
        $token = $store->token('shop')->value;
    }
    $answer = ['pid' => getmypid(), 'token' => $token];
    if (isset($_GET['maps'])) {
        preg_match_all('~/\S*libwxtoken\.so\S*$~m', file_get_contents('/proc/self/maps'), $found);
        $answer['libraries'] = array_values(array_unique($found[0]));
    }
    echo json_encode($answer), "\n";
} catch (Throwable $reason) {
    echo json_encode(['pid' => getmypid(), 'error' => $reason->getMessage()]), "\n";
}
flush();
file_get_contents('php://input');
