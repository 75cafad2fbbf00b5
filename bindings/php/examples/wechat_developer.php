<?php

/**
 * Asks WeChat for its callback addresses through WeChatDeveloper, with a token of the store. Run it in the directory of
 * a project that has libwxtoken/wxtoken and zoujingli/wechat-developer in vendor/:
 *
 *     WXTOKEN_ID=wx0123456789abcdef WXTOKEN_SECRET=… php …/wechat_developer.php [vendor/autoload.php]
 *
 * The secret is needed once, as the store keeps it. The library itself reads $WXTOKEN_STORE and $WXTOKEN_API_BASE_URL.
 */

declare(strict_types=1);

use WeChat\Exceptions\InvalidResponseException;
use WeChat\Limit;
use WxToken\Store;
use WxToken\WeChatDeveloper\AccessTokenCallback;
use WxToken\WxTokenException;

require $argv[1] ?? 'vendor/autoload.php';

$id = (string) getenv('WXTOKEN_ID');
$secret = (string) getenv('WXTOKEN_SECRET');
try {
    $store = new Store();
    if ($secret !== '') {
        $store->register('demo', 'official', $id, $secret);
    }

    // The SDK requires a non-empty appsecret, and does not use it.
    $client = new Limit([
        'appid' => $id,
        'appsecret' => 'in-the-store',
        'GetAccessTokenCallback' => new AccessTokenCallback($store, 'demo'),
    ]);

    $answer = $client->getCallbackIp();
} catch (WxTokenException $failure) {
    fwrite(STDERR, $failure->getMessage() . "\n");
    exit(1);
} catch (InvalidResponseException $refusal) {
    fwrite(STDERR, "WeChat says {$refusal->getCode()}\n");
    exit(1);
}
echo 'php, WeChatDeveloper  ', count($answer['ip_list']), " callback addresses\n";
