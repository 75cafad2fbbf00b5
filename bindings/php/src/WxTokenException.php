<?php

declare(strict_types=1);

namespace WxToken;

use RuntimeException;
use Throwable;

/**
 * Describes why a call failed. The message says what failed, on what, and what to do. It never contains a secret or a
 * token.
 *
 * getCode() returns the status as a number. An exception of this class itself, and not of a subclass, has two meanings.
 * Without a status, the library could not be loaded. With a status, the library is newer than this package.
 */
class WxTokenException extends RuntimeException
{
    private const CLASSES = [
        'WXTOKEN_E_ARGUMENT' => Exception\ArgumentException::class,
        'WXTOKEN_E_ACCOUNT' => Exception\AccountException::class,
        'WXTOKEN_E_STORE' => Exception\StoreException::class,
        'WXTOKEN_E_SECRET' => Exception\SecretException::class,
        'WXTOKEN_E_NETWORK' => Exception\NetworkException::class,
        'WXTOKEN_E_REPLY' => Exception\ReplyException::class,
        'WXTOKEN_E_API' => Exception\ApiException::class,
        'WXTOKEN_E_TIMEOUT' => Exception\TimeoutException::class,
        'WXTOKEN_E_INTERNAL' => Exception\InternalException::class,
    ];

    /**
     * @param string $status The name of the status, such as "WXTOKEN_E_API", or '' if the library could not be loaded.
     * @param int $errcode WeChat's errcode with ApiException, else 0.
     * @param int $retryAfterMs Milliseconds to wait before another try makes sense. 0 means at once, or unknown.
     */
    final public function __construct(
        string $message,
        int $code = 0,
        public readonly string $status = '',
        public readonly int $errcode = 0,
        public readonly int $retryAfterMs = 0,
        ?Throwable $previous = null,
    ) {
        parent::__construct($message, $code, $previous);
    }

    /**
     * @internal
     */
    public static function of(
        string $message,
        int $code,
        string $status,
        int $errcode = 0,
        int $retryAfterMs = 0,
    ): self {
        $class = self::CLASSES[$status] ?? self::class;

        return new $class($message, $code, $status, $errcode, $retryAfterMs);
    }
}
