<?php

declare(strict_types=1);

namespace WxToken;

use FFI;
use FFI\CData;

/**
 * Memory where C writes the outcome of one get. Creating it costs more than the get, so a Store keeps one between gets.
 *
 * @internal
 */
final class Answer
{
    // Arrays are passed as pointers.
    public readonly CData $out;
    public readonly CData $error;
    // The text in $out.
    public readonly CData $value;

    public function __construct(FFI $ffi)
    {
        $this->out = $ffi->new(Declarations::TOKEN);
        $this->error = $ffi->new(Declarations::ERROR);
        $this->value = $ffi->cast('char *', FFI::addr($this->out)) + 16;
    }

    /**
     * Shows nothing, because var_dump() would show the token.
     *
     * @return array<string, mixed>
     */
    public function __debugInfo(): array
    {
        return [];
    }
}
