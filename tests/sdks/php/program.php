<?php

/**
 * EasyWeChat with a token of the server. For each line that it reads it makes one business call and prints the result. Its
 * argument is an autoload file that loads w7corp/easywechat.
 */

declare(strict_types=1);

use EasyWeChat\OfficialAccount\AccessToken;
use EasyWeChat\OfficialAccount\Application;
use Symfony\Component\Cache\Adapter\ArrayAdapter;
use Symfony\Component\Cache\Psr16Cache;
use Symfony\Component\HttpClient\HttpClient;

require $argv[1];

[$server, $wechat, $id, $key] = array_map('getenv', ['SDKS_SERVER', 'SDKS_WECHAT', 'SDKS_ID', 'SDKS_KEY']);
// The simulator takes WeChat's place here. A production program does not have base_uri.
$app = new Application(['app_id' => $id, 'secret' => $key, 'http' => ['base_uri' => $wechat]]);
$cache = new Psr16Cache(new ArrayAdapter());
$app->setAccessToken(new AccessToken($id, $key, null, $cache, HttpClient::create(['base_uri' => $server])));

echo "ready\n";
while (fgets(STDIN) !== false) {
    try {
        $answer = $app->getClient()->get('/cgi-bin/getcallbackip')->toArray(false);
        $said = isset($answer['ip_list']) ? 'ok' : "errcode {$answer['errcode']}: {$answer['errmsg']}";
    } catch (\Throwable $reason) {
        $said = 'errcode in: ' . $reason->getMessage();
    }
    echo str_replace("\n", ' ', $said), "\n";
}
