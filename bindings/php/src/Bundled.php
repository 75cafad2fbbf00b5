<?php

declare(strict_types=1);

namespace WxToken;

/**
 * The libraries in this package, in native/. Looking at the disk would cost each request 4 µs.
 *
 * @internal
 */
final class Bundled
{
    /** The processor and C library of each. contrib/packaging/composer.py fills this in when it builds an archive. */
    public const TARGETS = [];
}
