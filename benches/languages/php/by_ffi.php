<?php

declare(strict_types=1);

use WxToken\Library;
use WxToken\Store;

return static function (string $expected, Closure $get): array {
    // PHP forgets its FFI objects at the end of a request, and so does this.
    $forget = Closure::bind(static function (): void {
        Library::$hot = null;
    }, null, Library::class);

    $ffi = Library::load();
    $token = $ffi->new('wxtoken_token');
    FFI::memcpy($token->value, $expected, strlen($expected));
    $token->length = strlen($expected);
    // The library stays in the process, and knows the token.
    $request = static function () use ($forget): string {
        $forget();

        return (new Store())->token('shop')->value;
    };
    if (ini_get('ffi.preload')) {
        return ['php-preload-request' => [25, $request]];
    }

    return [
        'php-request' => [25, $request],
        'php-get' => [500, $get],
        // An empty call: freeing no handle is a no-op.
        'php-floor' => [2000, static function () use ($ffi, $token): string {
            $ffi->wxtoken_free(null);

            return FFI::string($token->value, $token->length);
        }],
    ];
};
