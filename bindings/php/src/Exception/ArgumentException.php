<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_ARGUMENT: an argument is malformed, holds a NUL byte, or is not one of the known ones; or the store is
 * closed.
 */
final class ArgumentException extends WxTokenException
{
}
