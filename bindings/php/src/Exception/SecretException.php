<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_SECRET: there is no valid token, and what it takes to fetch one is missing: this process may not read the
 * secret, or a ticket or refresh token was never put.
 */
final class SecretException extends WxTokenException
{
}
