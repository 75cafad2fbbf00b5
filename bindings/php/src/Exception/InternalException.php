<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_INTERNAL: a defect in the C library. Please report it.
 */
final class InternalException extends WxTokenException
{
}
