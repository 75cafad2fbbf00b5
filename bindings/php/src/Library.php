<?php

declare(strict_types=1);

namespace WxToken;

use FFI;

/**
 * The loaded C library. Each request, or run on the command line, loads it, because PHP drops FFI objects in between.
 * The library's own cache stays in the process.
 *
 * @internal
 */
final class Library
{
    private const SCOPE = 'wxtoken';

    private static ?FFI $hot = null;
    private static ?FFI $whole = null;

    /** Returns every function that the header declares. */
    public static function load(): FFI
    {
        return self::$whole ??= self::preloaded() ?? self::open(Declarations::C);
    }

    /** Returns at least the functions that Declarations::HOT declares. */
    public static function hot(): FFI
    {
        return self::$hot ??= self::preloaded() ?? self::open(Declarations::HOT);
    }

    /**
     * Returns the content of the file for ffi.preload. It is the same for every request, and PHP parses it once when it
     * starts.
     */
    public static function toPreload(): string
    {
        $others = preg_replace('/^\S+ wxtoken_(init|set|get|free)\(.*\n/m', '', Declarations::C . "\n");

        return implode("\n", [
            '#define FFI_SCOPE "' . self::SCOPE . '"',
            '#define FFI_LIB "' . self::file() . '"',
            $others . Declarations::HOT . "\n",
        ]);
    }

    /** Returns the declarations that ffi.preload has parsed, or null if it was not given that file. */
    private static function preloaded(): ?FFI
    {
        if (!ini_get('ffi.preload') || getenv('WXTOKEN_LIBRARY')) {
            return null;
        }
        try {
            return FFI::scope(self::SCOPE);
        } catch (FFI\Exception) {
            return null;
        }
    }

    private static function file(): string
    {
        return getenv('WXTOKEN_LIBRARY') ?: self::bundled() ?? 'libwxtoken.so.0';
    }

    /** Returns the library in this package if it was installed from an archive that contains one. */
    private static function bundled(): ?string
    {
        if (Bundled::TARGETS === []) {
            return null;
        }
        $target = php_uname('m') . (self::isGlibc() ? '-gnu' : '-musl');
        return in_array($target, Bundled::TARGETS, true) ? dirname(__DIR__) . "/native/$target/libwxtoken.so.0" : null;
    }

    /** Returns whether this PHP runs on glibc, and not on musl as in Alpine's images. Only glibc has this function. */
    private static function isGlibc(): bool
    {
        try {
            FFI::cdef('char *gnu_get_libc_version();');
            return true;
        } catch (FFI\Exception $reason) {
            return !str_contains($reason->getMessage(), 'gnu_get_libc_version');
        }
    }

    private static function open(string $declarations): FFI
    {
        if (!extension_loaded('ffi')) {
            throw self::failure('libwxtoken.so.0', 'this PHP has no extension FFI. Install or enable it:'
                . ' `docker-php-ext-install ffi` with libffi-dev in an image of Docker Hub, php-ffi or php-common elsewhere,'
                . ' and extension=ffi in php.ini. Or build the extension in the directory ext of this package');
        }
        $file = self::file();
        try {
            // Under ffi.enable=preload, FFI::cdef() is allowed here if this class was preloaded.
            return FFI::cdef($declarations, $file);
        } catch (FFI\Exception $reason) {
            $isOff = in_array(strtolower((string) ini_get('ffi.enable')), ['', '0', 'false', 'off', 'no'], true);
            throw self::failure($file, match (true) {
                $isOff => "ffi.enable is off in php.ini. Set ffi.enable=preload, which is PHP's default, or"
                    . ' ffi.enable=true',
                str_contains($reason->getMessage(), 'ffi.enable') => 'ffi.enable=preload allows FFI only to preloaded'
                    . ' classes here. Put the preload.php of this package into opcache.preload in php.ini, or set'
                    . ' php_admin_value[ffi.enable] = true in the file of the PHP-FPM pool',
                default => "{$reason->getMessage()}. Install libwxtoken where the loader finds it, or put its path into"
                    . ' $WXTOKEN_LIBRARY',
            }, $reason);
        }
    }

    private static function failure(string $file, string $lack, ?FFI\Exception $reason = null): WxTokenException
    {
        return new WxTokenException("cannot load $file: $lack", previous: $reason);
    }
}
