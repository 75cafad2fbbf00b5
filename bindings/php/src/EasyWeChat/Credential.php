<?php

declare(strict_types=1);

namespace WxToken\EasyWeChat;

use LogicException;
use WxToken\Store;

/**
 * A token or ticket of a store, with the last values that it gave: by them one of ours is known when it is refused.
 *
 * @internal
 */
final class Credential
{
    // In a worker that lives long, calls that are under way may carry older ones.
    private const REMEMBERED = 8;

    /** @var list<string> The last one comes last. */
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
     * Rejects a value that was refused, and gives the one that the store has then: the same, when it was rejected less
     * than 30 s after another.
     */
    public function successor(#[\SensitiveParameter] string $refused): string
    {
        $this->store->reject($this->name, $refused);

        return $this->get();
    }

    /**
     * The same of the last value that was given; where none was, nothing is rejected.
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
