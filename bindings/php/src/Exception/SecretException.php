<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_SECRET: there is no valid token, and this process may not read the secret to fetch one.
 */
final class SecretException extends WxTokenException
{
}
