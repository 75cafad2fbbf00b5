<?php

declare(strict_types=1);

namespace WxToken\Tests;

$package = dirname(__DIR__, 2);

story('composer.json is valid, also the one of the extension', static function (string $directory) use ($package): void {
    // The Composer of Debian 12 does not know the section for PIE.
    $extension = json_decode(file_get_contents("$package/ext/composer.json"), true, flags: JSON_THROW_ON_ERROR);
    same(['php-ext', 'wxtoken'], [$extension['type'], $extension['php-ext']['extension-name']], 'what PIE reads');
    unset($extension['php-ext']);
    file_put_contents("$directory/extension.json", json_encode($extension));
    foreach (["$package/composer.json", "$directory/extension.json"] as $file) {
        [$code, $said] = Process::run(
            ['composer', 'validate', '--strict', '--no-interaction', '--no-check-lock', $file],
            ['COMPOSER_HOME' => $directory, 'COMPOSER_ALLOW_SUPERUSER' => '1'],
        );
        same(0, $code, "exit code of composer, which said\n$said");
    }
});

story("the composer.json of the SDKs' tests is valid, and pins them", static function (string $directory) use (
    $package
): void {
    $file = "$package/tests/sdks/composer.json";
    [$code, $said] = Process::run(
        ['composer', 'validate', '--no-check-all', '--no-interaction', '--no-check-lock', $file],
        ['COMPOSER_HOME' => $directory, 'COMPOSER_ALLOW_SUPERUSER' => '1'],
    );
    same(0, $code, "exit code of composer, which said\n$said");
    $required = json_decode(file_get_contents($file), true, flags: JSON_THROW_ON_ERROR)['require'];
    foreach (['w7corp/easywechat', 'zoujingli/wechat-developer'] as $sdk) {
        check(preg_match('/^\d+\.\d+\.\d+$/', $required[$sdk] ?? '') === 1, "$sdk is not pinned");
        foreach (['README.md', 'README.zh-CN.md'] as $readme) {
            $tested = str_contains(file_get_contents("$package/$readme"), $required[$sdk]);
            check($tested, "$readme does not say that $sdk {$required[$sdk]} is tested");
        }
    }
});

story('a project that installs the package with Composer gets a token', static function (string $directory) use (
    $simulator,
    $package
): void {
    [$id, $secret] = $simulator->official();
    $store = $simulator->open("$directory/tokens.db");
    $store->register('shop', 'official', $id, $secret);
    file_put_contents("$directory/composer.json", json_encode([
        'repositories' => [['type' => 'path', 'url' => $package], ['packagist.org' => false]],
        'require' => ['libwxtoken/wxtoken' => '*@dev'],
    ]));
    [$code, $said] = Process::run(
        ['composer', 'install', '--no-interaction', '--no-progress', "--working-dir=$directory"],
        ['COMPOSER_HOME' => "$directory/home", 'COMPOSER_ALLOW_SUPERUSER' => '1'],
    );
    same(0, $code, "exit code of composer, which said\n$said");
    file_put_contents("$directory/page.php", <<<'PHP'
        <?php
        require __DIR__ . '/vendor/autoload.php';
        class_exists(WxToken\WeChatDeveloper\AccessTokenCallback::class) || exit('no adapter');
        try {
            (new WxToken\Store(__DIR__ . '/tokens.db'))->token('nobody');
        } catch (WxToken\Exception\AccountException) {
            $options = ['api_base_url' => getenv('WXSIM_HTTP')];
            echo (new WxToken\Store(__DIR__ . '/tokens.db', $options))->token();
        }
        PHP);
    [$code, $said] = Process::run([PHP_BINARY, "$directory/page.php"]);
    same([0, $store->token()->value], [$code, $said], 'exit code and token');
});

story('the example prints its line', static function (string $directory) use ($simulator, $package): void {
    [$id, $secret] = $simulator->official();
    $environment = [
        'WXTOKEN_STORE' => "$directory/tokens.db",
        'WXTOKEN_API_BASE_URL' => $simulator->http,
        'WXTOKEN_ID' => $id,
        'WXTOKEN_SECRET' => $secret,
    ];
    [$code, $said] = Process::run([PHP_BINARY, "$package/examples/first_get.php"], $environment);
    same(0, $code, "exit code of the example, which said \"$said\"");
    $line = '/^php  \S{8}…\S{4}  \d+ chars  expires in \d+ s  \d+ us\n$/u';
    check(preg_match($line, $said) === 1, "another line than documented: $said");

    $environment = ['WXTOKEN_STORE' => "$directory/other.db", 'WXTOKEN_SECRET' => 'wrong'] + $environment;
    [$code, $said] = Process::run([PHP_BINARY, "$package/examples/first_get.php"], $environment);
    same(1, $code, 'exit code with a wrong secret');
    check(str_contains($said, '40125'), "the message lacks the errcode: $said");
});

story('the JS-SDK example signs a page as WeChat checks it', static function (string $directory) use (
    $simulator,
    $package
): void {
    $url = 'https://shop.example/页?from=menu&q=1#top';
    $nonces = [];
    [$id, $secret] = $simulator->official();
    $corp = ['ww' . bin2hex(random_bytes(8)), bin2hex(random_bytes(16))];
    $simulator->tell('/accounts', ['kind' => 'work', 'id' => $corp[0], 'secret' => $corp[1]]);
    // The second time, the store has the secret.
    foreach ([['official', $id, $secret], ['official', $id, ''], ['work', ...$corp]] as [$kind, $id, $secret]) {
        [$code, $said] = Process::run([PHP_BINARY, "$package/examples/jssdk.php", $url], [
            'WXTOKEN_STORE' => "$directory/$id.db",
            'WXTOKEN_API_BASE_URL' => $simulator->http,
            'WXTOKEN_WORK_BASE_URL' => $simulator->http,
            'WXTOKEN_KIND' => $kind,
            'WXTOKEN_ID' => $id,
            'WXTOKEN_SECRET' => $secret,
        ]);
        same(0, $code, "exit code of the example, which said \"$said\"");
        $config = json_decode($said, true, flags: JSON_THROW_ON_ERROR);
        same(['appId', 'timestamp', 'nonceStr', 'signature'], array_keys($config), 'what it prints');
        same($id, $config['appId'], 'appId');
        $nonces[$config['nonceStr']] = true;
        $verdict = $simulator->tell('/js_config', [
            'appid' => $id,
            'url' => $url,
            'noncestr' => $config['nonceStr'],
            'timestamp' => $config['timestamp'],
            'signature' => $config['signature'],
        ]);
        same(['ok' => true], $verdict, 'what the page is told');
        $ticket = $simulator->open("$directory/$id.db")->token('demo/jsapi_ticket');
        check(!str_contains($said, $ticket->value), 'it prints the ticket');
    }
    same(3, count($nonces), 'nonces');

    [$code, $said] = Process::run([PHP_BINARY, "$package/examples/jssdk.php"]);
    check($code === 1 && str_contains($said, 'usage'), "without a URL it exits with $code and says: $said");
});

story('every file of the package is valid PHP with strict types', static function () use ($package): void {
    $files = ["$package/bin/make-cdef", "$package/preload.php"];
    foreach (['src', 'tests', 'examples'] as $folder) {
        $found = new \RecursiveIteratorIterator(new \RecursiveDirectoryIterator("$package/$folder"));
        foreach (new \RegexIterator($found, '/\.php$/') as $file) {
            // Leaves out the packages that Composer installs in tests/sdks.
            str_contains((string) $file, '/vendor/') || $files[] = (string) $file;
        }
    }
    foreach ($files as $file) {
        [$code, $said] = Process::run([PHP_BINARY, '-l', $file]);
        same(0, $code, "exit code of php -l $file, which said \"$said\"");
        check(str_contains(file_get_contents($file), "\ndeclare(strict_types=1);\n"), "$file lacks strict_types");
    }
});
