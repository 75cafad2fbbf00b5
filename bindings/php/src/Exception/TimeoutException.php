<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_TIMEOUT: timeout_ms passed, in a fetch of this call's own or in waiting for another's.
 */
final class TimeoutException extends WxTokenException
{
}
