<?php

/**
 * A process with a client of a real SDK. For each line that it reads, it makes one business call, and writes "ok" or
 * the reason of the failure.
 *
 *     php client.php AUTOLOAD SDK ID SECRET [STORE]
 *
 * With a store it uses the adapter, else the SDK alone.
 */

declare(strict_types=1);

use EasyWeChat\MiniApp\Application as MiniProgram;
use EasyWeChat\OfficialAccount\Application as OfficialAccount;
use EasyWeChat\Work\Application as Work;
use WeChat\Limit;
use WxToken\EasyWeChat\AccessToken;
use WxToken\EasyWeChat\HttpClient;
use WxToken\Store;
use WxToken\WeChatDeveloper\AccessTokenCallback;

[, $autoload, $sdk, $id, $secret] = $argv;
require $autoload;

$http = getenv('WXSIM_HTTP');
$options = ['api_base_url' => $http, 'work_base_url' => $http];
$store = isset($argv[5]) ? new Store($argv[5], $options) : null;

/** An application of EasyWeChat, made with the README's lines. */
$easyWeChat = static function (string $class, array $config, string $path) use ($store, $secret, $http): Closure {
    // With a store the SDK has no secret to fetch with.
    $config += $store === null ? ['secret' => $secret] : [];
    $app = new $class($config + ['http' => ['base_uri' => $http, 'retry' => true]]);
    if ($store !== null) {
        $app->setAccessToken($token = new AccessToken($store, 'shop'));
        $app->setHttpClient(new HttpClient($app->getHttpClient(), $token));
    }

    return static fn (): array => $app->getClient()->get($path)->toArray();
};

/**
 * A configuration of WeChatDeveloper. The SDK's addresses are fixed, so libcurl reaches them through the simulator's
 * proxy.
 */
$configured = static function (?callable $callback) use ($id, $secret): array {
    putenv('https_proxy=' . getenv('WXSIM_PROXY'));
    $config = ['appid' => $id, 'appsecret' => $secret, 'cache_path' => getenv('TMPDIR')];

    return $config + ($callback === null ? [] : ['GetAccessTokenCallback' => $callback]);
};
$callback = $store === null ? null : new AccessTokenCallback($store, 'shop');

$official = ['app_id' => $id];
$call = match ($sdk) {
    'official account' => $easyWeChat(OfficialAccount::class, $official, '/cgi-bin/getcallbackip'),
    'mini program' => $easyWeChat(MiniProgram::class, $official, '/cgi-bin/get_api_domain_ip'),
    'work' => $easyWeChat(Work::class, ['corp_id' => $id], '/cgi-bin/agent/list'),
    // As in a page under PHP-FPM, each call makes a new client.
    'wechat-developer' => static fn (): array => (new Limit($configured($callback)))->getCallbackIp(),
    // The code that one would write without the adapter.
    'wechat-developer, a closure' => static fn (): array => (new Limit($configured(
        static fn (): string => $store->token('shop')->value,
    )))->getCallbackIp(),
    // As in a long-lived worker.
    'wechat-developer, one client' => (new Limit($configured($callback)))->getCallbackIp(...),
};

echo "ready\n";
while (fgets(STDIN) !== false) {
    try {
        $errcode = $call()['errcode'] ?? 0;
        echo $errcode === 0 ? "ok\n" : "errcode $errcode\n";
    } catch (Throwable $reason) {
        $code = $reason instanceof WxToken\WxTokenException ? $reason->status : $reason->getCode();
        echo get_debug_type($reason), " $code\n";
    }
}
