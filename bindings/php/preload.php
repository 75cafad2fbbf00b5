<?php

/**
 * Loads every class of this package but the adapters: for opcache.preload, and for programs without Composer.
 *
 * Under ffi.enable=preload, PHP's default, only classes that were preloaded may use FFI outside the command line. The
 * adapters use none, and extend what their SDK brings along. Where the extension wxtoken is loaded, it has the classes.
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
