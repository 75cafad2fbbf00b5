<?php

declare(strict_types=1);

namespace WxToken;

use DateTimeImmutable;
use LogicException;
use Stringable;

/**
 * An access token, or another credential such as a ticket. Converted to a string it is its value. var_dump() and
 * print_r() do not show the value.
 */
final class Token implements Stringable
{
    /**
     * @param string $value The token, at most 1023 bytes.
     * @param ?DateTimeImmutable $expiresAt When it expires, in UTC. Null if no end is known, as for a refresh token. The
     *                                      token may be revoked earlier: see Store::reject().
     */
    public function __construct(
        #[\SensitiveParameter] public readonly string $value,
        public readonly ?DateTimeImmutable $expiresAt,
    ) {
    }

    public function __toString(): string
    {
        return $this->value;
    }

    /**
     * @return array<string, string|int|null>
     */
    public function __debugInfo(): array
    {
        return [
            'value' => '(hidden)',
            'length' => strlen($this->value),
            'expiresAt' => $this->expiresAt?->format(DATE_ATOM),
        ];
    }

    /**
     * Throws, because a serialised token would stay in a session or a cache after it expires. Ask the store again
     * instead.
     */
    public function __serialize(): never
    {
        throw new LogicException('a WxToken\Token is not serializable: ask the store when you need it');
    }

    /**
     * @param array<mixed> $properties
     */
    public function __unserialize(#[\SensitiveParameter] array $properties): never
    {
        throw new LogicException('a WxToken\Token is not serializable: ask the store when you need it');
    }
}
