<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_ARGUMENT: an argument is malformed, contains a NUL byte, or is not a known value, or the store is closed.
 */
final class ArgumentException extends WxTokenException
{
}
