<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_ACCOUNT: there is no such account in this store, or the parent that it needs is not there.
 */
final class AccountException extends WxTokenException
{
}
