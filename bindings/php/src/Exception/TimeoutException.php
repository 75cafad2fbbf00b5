<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_TIMEOUT: timeout_ms passed while this call fetched a token or waited for another fetch.
 */
final class TimeoutException extends WxTokenException
{
}
