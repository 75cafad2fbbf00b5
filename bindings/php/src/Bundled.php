<?php

declare(strict_types=1);

namespace WxToken;

/**
 * Which libraries lie in this package, in native/: a look at the disk would cost each request 4 µs.
 *
 * @internal
 */
final class Bundled
{
    /** Processor and C library of each. contrib/packaging/composer.py fills this in where it makes an archive. */
    public const TARGETS = [];
}
