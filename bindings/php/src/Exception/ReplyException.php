<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_REPLY: the host answered, but the answer is not a valid token reply.
 */
final class ReplyException extends WxTokenException
{
}
