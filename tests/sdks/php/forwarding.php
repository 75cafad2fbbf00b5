<?php

/**
 * EasyWeChat with all its calls through the server. forwarding.py defines the lines that it reads and its answers. Its
 * first argument is an autoload file that loads w7corp/easywechat, the second easywechat=APPID.
 */

declare(strict_types=1);

use EasyWeChat\OfficialAccount\Application;
use Symfony\Component\Cache\Adapter\ArrayAdapter;
use Symfony\Component\Cache\Psr16Cache;

require $argv[1];

[$server, $key, $id] = [getenv('SDKS_SERVER'), getenv('SDKS_KEY'), explode('=', $argv[2])[1]];
$app = new Application(['app_id' => $id, 'secret' => $key, 'http' => ['base_uri' => $server]]);
$app->setCache(new Psr16Cache(new ArrayAdapter()));

/** Checks the answer to a call, which has no errcode or 0. */
function good(array $answer): array
{
    if (($answer['errcode'] ?? 0) !== 0) {
        throw new \RuntimeException("{$answer['errcode']}: {$answer['errmsg']}");
    }

    return $answer;
}

$client = $app->getClient();
$verbs = [
    'call' => static function () use ($client): string {
        $user = good($client->get('/cgi-bin/user/info', ['query' => ['openid' => 'oDemo']])->toArray(false));
        $message = ['touser' => 'oDemo', 'msgtype' => 'text', 'text' => ['content' => '您好，世界']];
        good($client->post('/cgi-bin/message/custom/send', ['json' => $message])->toArray(false));

        return $user['openid'];
    },
    'upload' => static fn (string $path): string => good(
        $client->withFile($path, 'media')->post('/cgi-bin/media/upload?type=image')->toArray(false)
    )['media_id'],
    'download' => static function (string $mediaId, string $path) use ($client): string {
        file_put_contents($path, $client->get('/cgi-bin/media/get', ['query' => ['media_id' => $mediaId]])->getContent());

        return $path;
    },
    'token' => static fn (): string => $app->getAccessToken()->getToken(),
];

echo "ready\n";
while (($line = fgets(STDIN)) !== false) {
    [, $verb] = $words = explode(' ', trim($line));
    try {
        $said = 'ok ' . $verbs[$verb](...array_slice($words, 2));
    } catch (\Throwable $reason) {
        $said = 'errcode in: ' . $reason->getMessage();
    }
    echo str_replace("\n", ' ', $said), "\n";
}
