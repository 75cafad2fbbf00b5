<?php

declare(strict_types=1);

namespace WxToken\Exception;

use WxToken\WxTokenException;

/**
 * WXTOKEN_E_STORE: the store cannot be opened, read or written, or belongs to another program.
 */
final class StoreException extends WxTokenException
{
}
