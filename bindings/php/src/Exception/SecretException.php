<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_SECRET: the store has no valid token and one cannot be fetched. Either this process may not read the
 * secret, or a ticket or refresh token was never put.
 */
final class SecretException extends WxTokenException
{
}
