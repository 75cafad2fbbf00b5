<?php

/**
 * Signs a page's URL for the JS-SDK and prints the fields that the page passes to wx.config, as JSON.
 *
 *     WXTOKEN_ID=wx0123456789abcdef WXTOKEN_SECRET=… php jssdk.php 'https://shop.example/page?from=menu#top'
 *
 * The secret is needed once, as the store keeps it. The library itself reads $WXTOKEN_STORE, $WXTOKEN_API_BASE_URL and
 * $WXTOKEN_WORK_BASE_URL.
 */

declare(strict_types=1);

require __DIR__ . '/../preload.php'; // with Composer: vendor/autoload.php

use WxToken\Store;
use WxToken\WxTokenException;

/**
 * @param string $url The page's URL, exactly as the browser shows it from https:// to the query, without the fragment.
 * @return array{appId: string, timestamp: int, nonceStr: string, signature: string} The signed fields of wx.config. The
 *         page itself adds debug, jsApiList and openTagList.
 */
function signed(string $appId, #[\SensitiveParameter] string $ticket, string $url): array
{
    $nonce = bin2hex(random_bytes(16));
    $timestamp = time();
    $page = explode('#', $url, 2)[0];
    $signature = sha1("jsapi_ticket=$ticket&noncestr=$nonce&timestamp=$timestamp&url=$page");

    return ['appId' => $appId, 'timestamp' => $timestamp, 'nonceStr' => $nonce, 'signature' => $signature];
}

$id = (string) getenv('WXTOKEN_ID');
if ($argc !== 2 || $id === '') {
    fwrite(STDERR, "usage: WXTOKEN_ID=… php jssdk.php URL\n");
    exit(1);
}

try {
    $store = new Store();
    $secret = (string) getenv('WXTOKEN_SECRET');
    if ($secret !== '') {
        $store->register('demo', getenv('WXTOKEN_KIND') ?: 'official', $id, $secret);
    }
    // The ticket stays on the server. The page gets only the signature.
    $config = signed($id, $store->token('demo/jsapi_ticket')->value, $argv[1]);
} catch (WxTokenException $failure) {
    fwrite(STDERR, $failure->getMessage() . "\n");
    exit(1);
}

echo json_encode($config, JSON_THROW_ON_ERROR), "\n";
