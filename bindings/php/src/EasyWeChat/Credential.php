<?php

declare(strict_types=1);

namespace WxToken\EasyWeChat;

use LogicException;
use WxToken\Store;

/**
 * A token or ticket of a store, with the values that it returned last. They tell a refused value of this store from
 * others.
 *
 * @internal
 */
final class Credential
{
    // In a long-lived worker, calls under way may carry older values.
    private const REMEMBERED = 8;

    /** @var list<string> Oldest first. */
    private array $given = [];

    public function __construct(private readonly Store $store, private readonly ?string $name)
    {
    }

    public function get(): string
    {
        $value = $this->store->token($this->name)->value;
        if ($value !== end($this->given)) {
            $others = array_values(array_diff($this->given, [$value]));
            $this->given = [...array_slice($others, 1 - self::REMEMBERED), $value];
        }

        return $value;
    }

    public function gave(#[\SensitiveParameter] string $value): bool
    {
        return in_array($value, $this->given, true);
    }

    /**
     * Rejects a refused value and returns the store's current one. That is the same value if another was rejected less
     * than 30 s ago.
     */
    public function successor(#[\SensitiveParameter] string $refused): string
    {
        $this->store->reject($this->name, $refused);

        return $this->get();
    }

    /**
     * Rejects the value that was returned last, if any, and returns the store's current one.
     */
    public function refresh(): string
    {
        return $this->given === [] ? $this->get() : $this->successor(end($this->given));
    }

    /**
     * @return array<string, string|null>
     */
    public function __debugInfo(): array
    {
        return ['name' => $this->name];
    }

    public function __serialize(): never
    {
        throw new LogicException('a token or ticket of a WxToken\Store is not serializable');
    }
}
