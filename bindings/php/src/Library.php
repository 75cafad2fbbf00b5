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
        return self::$ffi ??= self::open(getenv('WXTOKEN_LIBRARY') ?: self::bundled() ?? 'libwxtoken.so.0');
    }

    /** The library that lies in this package, where it was installed from an archive that carries it. */
    private static function bundled(): ?string
    {
        $folder = dirname(__DIR__) . '/native/' . php_uname('m');
        if (!extension_loaded('ffi') || (!is_dir("$folder-gnu") && !is_dir("$folder-musl"))) {
            return null;
        }
        $file = $folder . (self::isGlibc() ? '-gnu' : '-musl') . '/libwxtoken.so.0';
        return is_file($file) ? $file : null;
    }

    /** Whether this PHP runs on glibc, and not on musl as in Alpine's images: only the one has this function. */
    private static function isGlibc(): bool
    {
        try {
            FFI::cdef('const char *gnu_get_libc_version(void);');
            return true;
        } catch (FFI\Exception $reason) {
            return !str_contains($reason->getMessage(), 'gnu_get_libc_version');
        }
    }

    private static function open(string $file): FFI
    {
        $lack = self::lackOfFfi(extension_loaded('ffi'), (string) ini_get('ffi.enable'));
        if ($lack !== null) {
            throw new WxTokenException("cannot load $file: $lack");
        }
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

    /** What keeps this PHP from calling C at all, with the remedy; null where nothing does. */
    private static function lackOfFfi(bool $isLoaded, string $enabled): ?string
    {
        if (!$isLoaded) {
            return 'this PHP has no extension FFI. Install or enable it: `docker-php-ext-install ffi` with libffi-dev in an'
                . ' image of Docker Hub, php-ffi or php-common elsewhere, and extension=ffi in php.ini';
        }
        return match (strtolower($enabled)) {
            '', '0', 'false', 'off', 'no' =>
                "ffi.enable is off in php.ini. Set ffi.enable=preload, which is PHP's default, or ffi.enable=true",
            default => null,
        };
    }
}
