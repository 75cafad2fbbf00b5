<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_REPLY: WeChat's host answered, but with something that is no token reply.
 */
final class ReplyException extends WxTokenException
{
}
