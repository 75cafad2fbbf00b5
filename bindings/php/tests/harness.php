<?php

/**
 * Stories. Each has a sentence as its name, and a function that gets an empty directory and throws if the story fails.
 */

declare(strict_types=1);

namespace WxToken\Tests;

use RuntimeException;
use Throwable;

/**
 * The numbers of passed and failed stories.
 */
final class Tally
{
    public static int $passed = 0;
    public static int $failed = 0;
}

/**
 * @param callable(string): void $tell
 */
function story(string $name, callable $tell): void
{
    $directory = sys_get_temp_dir() . '/wxtoken-php-' . bin2hex(random_bytes(8));
    mkdir($directory, 0700);
    try {
        $tell($directory);
        Tally::$passed++;
        echo "ok      $name\n";
    } catch (Throwable $reason) {
        Tally::$failed++;
        $where = basename($reason->getFile()) . ':' . $reason->getLine();
        echo "not ok  $name\n        ", str_replace("\n", "\n        ", "{$reason->getMessage()} ($where)"), "\n";
    } finally {
        remove($directory);
    }
}

/**
 * Returns whether the classes come from the extension, and not from src/ by FFI.
 */
function isByExtension(): bool
{
    return extension_loaded('wxtoken');
}

function finish(): never
{
    echo Tally::$passed, ' passed, ', Tally::$failed, " failed\n";
    exit(Tally::$failed === 0 ? 0 : 1);
}

function check(bool $holds, string $otherwise): void
{
    if (!$holds) {
        throw new RuntimeException($otherwise);
    }
}

function same(mixed $expected, mixed $actual, string $what): void
{
    [$wanted, $found] = [var_export($expected, true), var_export($actual, true)];
    check($expected === $actual, "$what: expected $wanted, got $found");
}

/**
 * @template T of Throwable
 * @param class-string<T> $class
 * @return T What $act threw.
 */
function thrown(string $class, callable $act): Throwable
{
    try {
        $act();
    } catch (Throwable $caught) {
        check($caught instanceof $class, "expected $class, got " . $caught::class . ": {$caught->getMessage()}");
        return $caught;
    }
    throw new RuntimeException("expected $class, but nothing was thrown");
}

function remove(string $path): void
{
    if (is_dir($path) && !is_link($path)) {
        foreach (array_diff(scandir($path), ['.', '..']) as $entry) {
            remove("$path/$entry");
        }
        rmdir($path);
    } else {
        unlink($path);
    }
}
