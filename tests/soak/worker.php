<?php

/**
 * One process of the soak of expiries, in PHP: see `worker expiry` in worker.c. Like a page, it opens the store in each
 * turn.
 */

declare(strict_types=1);

require __DIR__ . '/../../bindings/php/preload.php';

const PAUSE_US = 5000;

final class Served
{
    private ?string $token = null;
    private int $expiresAt = 0;
    private int $askedMs = 0;
    private int $gets = 0;
    private int $slowestMs = 0;

    public function __construct(private readonly string $name)
    {
    }

    public function getOnceMore(WxToken\Store $store): void
    {
        $askedMs = nowMs();
        try {
            $token = $store->token($this->name);
        } catch (WxToken\WxTokenException $reason) {
            echo "failed $this->name {$reason->getMessage()}\n";
            return;
        }
        $tookMs = nowMs() - $askedMs;
        $isNew = $token->value !== $this->token;
        if ($isNew) {
            $this->say();
            [$this->token, $this->gets, $this->slowestMs] = [$token->value, 0, 0];
            $this->expiresAt = $token->expiresAt->getTimestamp();
        }
        $this->askedMs = $askedMs;
        $this->gets++;
        $this->slowestMs = max($this->slowestMs, $tookMs);
        if ($isNew) {
            $this->say();
        }
    }

    public function say(): void
    {
        if ($this->token !== null) {
            echo "served $this->name $this->token $this->expiresAt $this->askedMs $this->gets $this->slowestMs\n";
        }
    }
}

function nowMs(): int
{
    return (int) (microtime(true) * 1000);
}

function isToldToEnd(): bool
{
    [$read, $write, $except] = [[STDIN], null, null];

    return stream_select($read, $write, $except, 0, PAUSE_US) > 0;
}

(new WxToken\Store())->token($argv[2]);
echo "ready\n";
$everything = array_map(fn (string $name) => new Served($name), array_slice($argv, 3));
do {
    $store = new WxToken\Store();
    foreach ($everything as $served) {
        $served->getOnceMore($store);
    }
    $store->close();
} while (!isToldToEnd());
foreach ($everything as $served) {
    $served->say();
}
