<?php

declare(strict_types=1);

namespace WxToken;

use FFI;

/**
 * The loaded C library. One for each request (or command line run), for PHP forgets FFI objects in between; what the
 * library itself knows stays in the process.
 *
 * @internal
 */
final class Library
{
    private static ?FFI $ffi = null;

    public static function load(): FFI
    {
        return self::$ffi ??= self::open(getenv('WXTOKEN_LIBRARY') ?: 'libwxtoken.so.0');
    }

    private static function open(string $file): FFI
    {
        try {
            // Not FFI::load() with FFI_SCOPE: PHP refuses that together with opcache.preload_user. FFI::cdef() is
            // allowed here under ffi.enable=preload too, as long as this very class was preloaded.
            return FFI::cdef(Declarations::C, $file);
        } catch (FFI\Exception $reason) {
            throw new WxTokenException(
                "cannot load $file: {$reason->getMessage()}. Install libwxtoken where the loader finds it, or put its"
                . ' path into $WXTOKEN_LIBRARY; outside the command line PHP also wants the preload.php of this package'
                . ' in opcache.preload, or ffi.enable=true',
                previous: $reason,
            );
        }
    }
}
