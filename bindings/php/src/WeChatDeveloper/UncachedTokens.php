<?php

declare(strict_types=1);

namespace WxToken\WeChatDeveloper;

use WeChat\Contracts\Tools;

/**
 * The SDK's function for writing to its cache, without the tokens of a store. The SDK would return those for 7,000 s,
 * even after the store has a newer one. Everything else is cached as before.
 *
 * @internal
 */
final class UncachedTokens
{
    /** @var array<string, true> */
    private array $names = [];

    /**
     * @param mixed $before The project's own function. Null means the SDK's, which writes files.
     */
    private function __construct(private readonly mixed $before)
    {
    }

    /**
     * Runs again for each token, because the project may have set its functions since.
     */
    public static function add(string $name): void
    {
        $set = Tools::$cache_callable['set'] ?? null;
        if (!$set instanceof self) {
            Tools::$cache_callable['set'] = $set = new self($set);
        }
        $set->names[$name] = true;
    }

    public function __invoke(string $name, mixed ...$rest): mixed
    {
        if (isset($this->names[$name])) {
            return $name;
        }
        Tools::$cache_callable['set'] = $this->before;
        try {
            return Tools::setCache($name, ...$rest);
        } finally {
            Tools::$cache_callable['set'] = $this;
        }
    }

    /**
     * @return array<string, list<string>>
     */
    public function __debugInfo(): array
    {
        return ['names' => array_keys($this->names)];
    }
}
