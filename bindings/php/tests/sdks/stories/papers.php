<?php

declare(strict_types=1);

namespace WxToken\Tests;

story('the examples print the number of addresses', static function (string $directory) use (
    $simulator,
    $autoload
): void {
    foreach (['easywechat' => 'EasyWeChat', 'wechat_developer' => 'WeChatDeveloper'] as $example => $name) {
        [$id, $secret] = $simulator->official();
        // The second time, the store has the secret, and its token is revoked.
        foreach ([$secret, '', 'wrong'] as $given) {
            [$code, $said] = Process::run(
                [PHP_BINARY, dirname(__DIR__, 3) . "/examples/$example.php", $autoload],
                [
                    'WXTOKEN_STORE' => $given === 'wrong' ? "$directory/wrong-$id.db" : "$directory/$id.db",
                    'WXTOKEN_API_BASE_URL' => $simulator->http,
                    'WXTOKEN_ID' => $id,
                    'WXTOKEN_SECRET' => $given,
                    'https_proxy' => Simulator::variable('WXSIM_PROXY'),
                ],
            );
            if ($given === 'wrong') {
                check($code === 1 && str_contains($said, '40125'), "with a wrong secret it exits with $code: $said");
            } else {
                same(0, $code, "exit code of $example.php, which said \"$said\"");
                check(preg_match("/^php, $name  \\d+ callback addresses\n$/", $said) === 1, "it says: $said");
            }
            $simulator->tell('/revoke', ['id' => $id, 'which' => 'all']);
        }
        same(2, $simulator->counters($id)['minted'], "mints of $example.php");
    }
});

story('the code in both READMEs runs unchanged', static function (string $directory) use (
    $simulator,
    $autoload
): void {
    $package = dirname(__DIR__, 3);
    foreach (['README.md', 'README.zh-CN.md'] as $readme) {
        foreach (['EasyWeChat', 'WeChatDeveloper'] as $section) {
            check(
                preg_match("/^## $section\n.*?(?=^## )/ms", file_get_contents("$package/$readme"), $text) === 1
                    && preg_match_all('/^```php\n(.*?)^```/ms', $text[0], $blocks) >= 2,
                "$readme has no two blocks on $section",
            );
            foreach (['before', 'after'] as $at => $when) {
                $lines = $blocks[1][$at];
                same(3, substr_count($lines, "\n"), "$readme, $section, $when: lines");
                [$id, $secret] = $simulator->official();
                $simulator->open("$directory/$id.db")->register('shop', 'official', $id, $secret);
                mkdir("$directory/$id");
                file_put_contents("$directory/$id/lines.php", <<<PHP
                    <?php
                    use EasyWeChat\OfficialAccount\Application;
                    use WxToken\EasyWeChat\{AccessToken, HttpClient};
                    use WxToken\WeChatDeveloper\AccessTokenCallback;
                    require '$autoload';
                    WeChat\Contracts\Tools::\$cache_path = __DIR__;
                    [\$appid, \$secret, \$appsecret] = ['$id', '$secret', '$secret'];
                    \$store = new WxToken\Store('$directory/$id.db', ['api_base_url' => '$simulator->http']);
                    $lines
                    echo \$answer['errcode'] ?? 0;
                    PHP);
                // WeChat's own addresses, through the simulator's proxy and with its certificate.
                [$code, $said] = Process::run(
                    [PHP_BINARY, '-d', "curl.cainfo=$simulator->caFile", "$directory/$id/lines.php"],
                    ['https_proxy' => Simulator::variable('WXSIM_PROXY'), 'TMPDIR' => "$directory/$id"],
                );
                same([0, '0'], [$code, $said], "$readme, $section, $when: exit code and errcode");
                $stable = $simulator->counters($id)['by_path']['/cgi-bin/stable_token']['minted'] ?? 0;
                same($when === 'after' ? 1 : 0, $stable, "$readme, $section, $when: mints by the store");
            }
        }
    }
});
