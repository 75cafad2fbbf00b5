<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_NETWORK: WeChat was not reached: DNS, connect, TLS, or a reset.
 */
final class NetworkException extends WxTokenException
{
}
