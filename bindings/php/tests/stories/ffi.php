<?php

declare(strict_types=1);

namespace WxToken\Tests;

use WxToken\Answer;
use WxToken\Declarations;
use WxToken\Library;

$package = dirname(__DIR__, 2);

story('the library names each status as the header does', static function (): void {
    preg_match_all('/WXTOKEN_E_\w+(?= =)/', Declarations::C, $found);
    foreach ($found[0] as $status) {
        same($status, Library::load()->wxtoken_status_name(Library::load()->$status), 'name of the status');
    }
});

story('a missing library is named, with the remedy', static function (): void {
    [$code, $said] = Process::run(
        [PHP_BINARY, '-d', 'display_errors=1', __DIR__ . '/../programs/get.php', 'tokens.db'],
        ['WXTOKEN_LIBRARY' => '/nonexistent/libwxtoken.so.0'],
    );
    check($code !== 0, 'it went well');
    check(str_contains($said, 'cannot load /nonexistent/libwxtoken.so.0'), $said);
    check(str_contains($said, '$WXTOKEN_LIBRARY'), $said);
});

story('a PHP without FFI says what to install or to set', static function (string $directory): void {
    $open = '<?php require ' . var_export(dirname(__DIR__, 2) . '/preload.php', true) . ';'
        . 'try { new WxToken\\Store("tokens.db"); } catch (WxToken\\WxTokenException $e) { echo $e->getMessage(); }';
    file_put_contents("$directory/open.php", $open);
    $off = 'ffi.enable is off';
    $runs = [[['-d', 'ffi.enable=0'], $off], [['-d', 'ffi.enable=off'], $off], [['-d', 'ffi.enable=false'], $off]];
    // Without an ini file, a PHP whose FFI is a separate module lacks it, as the images of Docker Hub do.
    if (Process::run([PHP_BINARY, '-n', '-r', 'exit(extension_loaded("ffi") ? 1 : 0);'], [])[0] === 0) {
        $runs[] = [['-n'], 'no extension FFI'];
    }
    foreach ($runs as [$how, $why]) {
        [$code, $said] = Process::run([PHP_BINARY, ...$how, "$directory/open.php"], []);
        same(0, $code, $said);
        check(str_starts_with($said, 'cannot load '), $said);
        check(str_contains($said, $why), $said);
        check(str_contains($said, $why === $off ? 'ffi.enable=preload' : 'docker-php-ext-install ffi'), $said);
        check(substr_count($said, "\n") === 0, $said);
    }
});

story('PHP-FPM uses the declarations that ffi.preload has parsed, and no library from elsewhere', static function (
    string $directory
) use ($simulator): void {
    mkdir("$directory/lib");
    copy(Fpm::loadedLibrary(), "$directory/lib/libwxtoken.so.0");
    $print = [PHP_BINARY, dirname(__DIR__, 2) . '/bin/ffi-preload'];
    [$code, $declarations] = Process::run($print, ['WXTOKEN_LIBRARY' => "$directory/lib/libwxtoken.so.0"]);
    same(0, $code, $declarations);
    file_put_contents("$directory/wxtoken.h", $declarations);
    [$id, $secret] = $simulator->official();
    $environment = [
        'WXTOKEN_STORE' => "$directory/state/tokens.db",
        'WXTOKEN_API_BASE_URL' => $simulator->http,
    ];
    $fpm = new Fpm($directory, $environment, settings: ["ffi.preload=$directory/wxtoken.h"]);
    [$answer, $log] = $fpm->once("id=$id&maps=1", $secret);
    $answer = $fpm->decoded($answer);
    same(0, $simulator->business('official', $answer['token']), "errcode of the token; PHP-FPM said:\n$log");
    same(["$directory/lib/libwxtoken.so.0"], $answer['libraries'], 'libraries that are loaded');
});

story('PHP-FPM without preloading says what is missing', static function (string $directory): void {
    $fpm = new Fpm($directory, ['WXTOKEN_LIBRARY' => "$directory/libwxtoken.so.0"], preload: false);
    [$answer, $log] = $fpm->once();
    $message = json_decode($answer, true)['error'] ?? 'no error';
    foreach (['opcache.preload in php.ini', 'php_admin_value[ffi.enable] = true'] as $remedy) {
        check(str_contains($message, $remedy), "it says: $message\nPHP-FPM said:\n$log");
    }
    check(!str_contains($message, '$WXTOKEN_LIBRARY'), "it names a remedy that does not help: $message");
});

story("a line in the pool's file allows FFI without preloading", static function (
    string $directory
) use ($simulator): void {
    [$id, $secret] = $simulator->official();
    $environment = [
        'WXTOKEN_LIBRARY' => "$directory/libwxtoken.so.0",
        'WXTOKEN_STORE' => "$directory/state/tokens.db",
        'WXTOKEN_API_BASE_URL' => $simulator->http,
    ];
    $fpm = new Fpm($directory, $environment, preload: false, pool: ['php_admin_value[ffi.enable] = true']);
    [$answer, $log] = $fpm->once("id=$id", $secret);
    $answer = $fpm->decoded($answer);
    same(0, $simulator->business('official', $answer['token']), "errcode of the token; PHP-FPM said:\n$log");
});

story('src/Declarations.php is what make-cdef generates from the header', static function () use ($package): void {
    $header = "$package/../../include/wxtoken.h";
    check(is_readable($header), "cannot read $header: these tests run in a checkout of the whole project");
    [$code, $made] = Process::run([PHP_BINARY, "$package/bin/make-cdef", $header]);
    same(0, $code, "exit code of make-cdef, which said \"$made\"");
    check(
        $made === file_get_contents("$package/src/Declarations.php"),
        'the header has changed: php bin/make-cdef ../../include/wxtoken.h > src/Declarations.php',
    );
});

story('the memory of a get has the size and the offsets of the header', static function (): void {
    $library = Library::load();
    foreach (['wxtoken_token' => Declarations::TOKEN, 'wxtoken_error' => Declarations::ERROR] as $struct => $words) {
        same(\FFI::sizeof($library->new($struct)), \FFI::sizeof($library->new($words)), "size of $struct");
    }
    $answer = new Answer(Library::hot());
    $token = $library->cast('wxtoken_token', $answer->out);
    [$token->expires_at, $token->length] = [1800000000, 3];
    \FFI::memcpy($token->value, 'abc', 3);
    $read = [$answer->out[0], $answer->out[1], \FFI::string($answer->value, 3)];
    same([1800000000, 3, 'abc'], $read, 'end, length and text');
    check(!str_contains(print_r($answer, true), 'abc'), 'it shows the token');
});

story('the library in the package is used, and one for another C library is not', static function (
    string $directory
) use ($package): void {
    mkdir("$directory/package/src", recursive: true);
    Process::run(['cp', '-r', "$package/src", "$package/preload.php", "$directory/package"]);
    [, $libdir] = Process::run(['pkg-config', '--variable=libdir', 'wxtoken']);
    $native = "$directory/package/native/" . php_uname('m');
    foreach (['gnu', 'musl'] as $libc) {
        mkdir("$native-$libc", recursive: true);
        $targets[] = basename($native) . "-$libc";
    }
    $bundled = file_get_contents("$package/src/Bundled.php");
    $filled = str_replace('TARGETS = []', 'TARGETS = ' . json_encode($targets), $bundled, $places);
    same(1, $places, 'places in src/Bundled.php that contrib/packaging/composer.py fills in');
    file_put_contents("$directory/package/src/Bundled.php", $filled);
    copy(trim($libdir) . '/libwxtoken.so.0', "$native-gnu/libwxtoken.so.0");
    file_put_contents("$native-musl/libwxtoken.so.0", 'for another C library');
    file_put_contents("$directory/page.php", <<<'PHP'
        <?php
        require __DIR__ . '/package/preload.php';
        new WxToken\Store(__DIR__ . '/tokens.db');
        readfile('/proc/self/maps');
        PHP);
    [$code, $said] = Process::run([PHP_BINARY, "$directory/page.php"], ['WXTOKEN_LIBRARY' => '']);
    same(0, $code, "exit code, where it said $said");
    check(str_contains($said, "$native-gnu/libwxtoken.so.0"), "it has loaded another library: $said");

    file_put_contents("$native-gnu/libwxtoken.so.0", 'not a library');
    [, $said] = Process::run([PHP_BINARY, "$directory/page.php"], ['WXTOKEN_LIBRARY' => '']);
    check(str_contains($said, "cannot load $native-gnu/libwxtoken.so.0: "), "the failure does not name it: $said");
});
