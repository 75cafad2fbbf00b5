<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_ACCOUNT: the account, or the parent that it needs, is not in this store.
 */
final class AccountException extends WxTokenException
{
}
