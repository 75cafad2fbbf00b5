<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_API: WeChat answered with an errcode.
 */
final class ApiException extends WxTokenException
{
}
