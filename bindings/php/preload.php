<?php

/**
 * Loads every class of this package except the adapters. It is for opcache.preload, and for programs without Composer.
 *
 * Under ffi.enable=preload, PHP's default, only preloaded classes may use FFI outside the command line. The adapters do
 * not use FFI, and extend classes of their SDK. If the extension wxtoken is loaded, it provides the classes.
 */

declare(strict_types=1);

if (extension_loaded('wxtoken')) {
    return;
}
foreach (
    [
        'Declarations',
        'Bundled',
        'Library',
        'Answer',
        'WxTokenException',
        'Exception/ArgumentException',
        'Exception/AccountException',
        'Exception/StoreException',
        'Exception/SecretException',
        'Exception/NetworkException',
        'Exception/ReplyException',
        'Exception/ApiException',
        'Exception/TimeoutException',
        'Exception/InternalException',
        'Token',
        'Store',
    ] as $class
) {
    if (!class_exists('WxToken\\' . strtr($class, '/', '\\'), false)) {
        require __DIR__ . "/src/$class.php";
    }
}
