<?php

/**
 * Asks WeChat for its callback addresses through EasyWeChat 6, with a token of the store. Run it in the directory of a
 * project that has libwxtoken/wxtoken and w7corp/easywechat in vendor/:
 *
 *     WXTOKEN_ID=wx0123456789abcdef WXTOKEN_SECRET=… php …/easywechat.php [vendor/autoload.php]
 *
 * The secret is needed once, as the store keeps it. The library itself reads $WXTOKEN_STORE and $WXTOKEN_API_BASE_URL.
 */

declare(strict_types=1);

use EasyWeChat\OfficialAccount\Application;
use WxToken\EasyWeChat\AccessToken;
use WxToken\EasyWeChat\HttpClient;
use WxToken\Store;
use WxToken\WxTokenException;

require $argv[1] ?? 'vendor/autoload.php';

$id = (string) getenv('WXTOKEN_ID');
$secret = (string) getenv('WXTOKEN_SECRET');
try {
    $store = new Store();
    if ($secret !== '') {
        $store->register('demo', 'official', $id, $secret);
    }

    // No secret: the application does not fetch tokens.
    $app = new Application([
        'app_id' => $id,
        'http' => ['base_uri' => getenv('WXTOKEN_API_BASE_URL') ?: 'https://api.weixin.qq.com'],
    ]);
    $app->setAccessToken($token = new AccessToken($store, 'demo'));
    $app->setHttpClient(new HttpClient($app->getHttpClient(), $token));

    $answer = $app->getClient()->get('/cgi-bin/getcallbackip')->toArray();
} catch (WxTokenException $failure) {
    fwrite(STDERR, $failure->getMessage() . "\n");
    exit(1);
}

// EasyWeChat does not throw for an errcode.
if (($answer['errcode'] ?? 0) !== 0) {
    fwrite(STDERR, "WeChat says {$answer['errcode']}\n");
    exit(1);
}
echo 'php, EasyWeChat  ', count($answer['ip_list']), " callback addresses\n";
