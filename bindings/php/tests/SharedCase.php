<?php

declare(strict_types=1);

namespace WxToken\Tests;

use RuntimeException;
use Throwable;
use WxToken\Store;
use WxToken\WxTokenException;

/**
 * One case of the table that all languages share. tests/CASES.md of the project defines the verbs.
 */
final class SharedCase
{
    private const KEYS = [
        'sim' => ['path', 'body', 'keep'],
        'counters' => ['id', 'has'],
        'business' => ['kind', 'token', 'errcode'],
        'file' => ['path', 'change'],
        'open' => ['handle', 'status', 'store', 'options'],
        'close' => ['handle'],
        'set' => ['handle', 'status', 'option', 'value'],
        'account' => ['handle', 'status', 'account', 'kind', 'id', 'secret'],
        'put' => ['handle', 'status', 'account', 'field', 'value'],
        'get' => ['handle', 'status', 'name', 'as', 'same_as', 'other_than', 'expires_in'],
        'reject' => ['handle', 'status', 'name', 'token'],
        'report' => ['handle', 'status', 'has', 'hides'],
    ];
    private const KEYS_OF_A_FAILURE = ['errcode', 'retry_after_ms', 'message_has', 'message_hides'];

    /** @var array<string, Store> */
    private array $handles = [];

    /** @var array<string, string> */
    private array $variables;

    /** The key of the server's client. Null if the store is not a server. */
    private ?string $key = null;
    private ?Store $operator = null;

    public function __construct(private readonly Simulator $simulator, string $directory)
    {
        // The socket of a redis-server. If set, the stores of the cases are on it.
        $redis = getenv('WXTOKEN_CASES_REDIS');
        $this->variables = [
            '$DIR' => $directory,
            '$STORE' => $redis === false ? "$directory/tokens.db" : "redis+unix://$redis?prefix=" . bin2hex(random_bytes(8)),
            '$ID' => 'wx' . bin2hex(random_bytes(8)),
            '$CORP' => 'ww' . bin2hex(random_bytes(8)),
            '$SECRET' => bin2hex(random_bytes(16)),
            '$HTTP' => $simulator->http,
            '$HTTPS' => $simulator->https,
            '$CA' => $simulator->caFile,
        ];
        if (self::isOverAServer()) {
            $this->startServer();
        }
    }

    /**
     * Returns whether the stores of the cases are wxtoken servers.
     */
    public static function isOverAServer(): bool
    {
        return getenv('WXTOKEN_CASES_SERVER') !== false;
    }

    private function startServer(): void
    {
        $post = stream_context_create(['http' => ['method' => 'POST', 'header' => 'Content-Type: application/json', 'content' => '{}']]);
        $server = json_decode(file_get_contents(getenv('WXTOKEN_CASES_SERVER'), false, $post), true);
        $this->variables['$STORE'] = $server['store'];
        $this->key = $server['key'];
        $this->operator = new Store($server['file'], $this->simulated());
    }

    /**
     * @return array<string, string>
     */
    private function simulated(): array
    {
        return ['api_base_url' => $this->simulator->http, 'work_base_url' => $this->simulator->http];
    }

    /**
     * @param list<array<string, mixed>> $steps
     */
    public function run(array $steps): void
    {
        foreach ($steps as $at => $step) {
            try {
                $this->step($step);
            } catch (Throwable $reason) {
                $line = json_encode($step, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
                throw new RuntimeException('step ' . ($at + 1) . " $line\n{$reason->getMessage()}", previous: $reason);
            }
        }
    }

    /**
     * @param array<string, mixed> $step
     */
    private function step(array $step): void
    {
        $verb = $step['do'];
        $known = self::KEYS[$verb] ?? throw new RuntimeException("this runner does not know the verb $verb");
        $known = [...$known, 'do', 'over_a_server', ...(isset($step['status']) ? self::KEYS_OF_A_FAILURE : [])];
        $unknown = implode(', ', array_diff(array_keys($step), $known));
        check($unknown === '', "this runner does not know the keys: $unknown");

        $step = $this->filledIn($this->operator === null ? $step : [...$step, ...($step['over_a_server'] ?? [])]);
        if (!isset($step['status'])) {
            $this->carryOut($step);
            return;
        }
        $failure = thrown(WxTokenException::class, fn () => $this->carryOut($step));
        $message = $failure->getMessage();
        same($step['status'], $failure->status, "status of \"$message\"");
        same($step['errcode'] ?? $failure->errcode, $failure->errcode, 'errcode');
        $this->within($step['retry_after_ms'] ?? null, $failure->retryAfterMs, 'retryAfterMs');
        foreach ($step['message_has'] ?? [] as $part) {
            check(str_contains($message, $part), "the message lacks \"$part\": $message");
        }
        foreach ($step['message_hides'] ?? [] as $part) {
            check(!str_contains($message, $part), "the message shows \"$part\": $message");
        }
    }

    /**
     * @param array<string, mixed> $step
     */
    private function carryOut(array $step): void
    {
        $handle = $step['handle'] ?? 'main';
        $store = $this->handles[$handle] ?? null;
        match ($step['do']) {
            'sim' => $this->tell($step),
            'counters' => $this->has($step['has'], $this->simulator->counters($step['id'])),
            'business' => same(
                $step['errcode'],
                $this->simulator->business($step['kind'], $step['token']),
                'errcode of the business API',
            ),
            'file' => match ($step['change']) {
                'delete' => $this->delete($step['path']),
                'directory' => mkdir($step['path']),
            },
            'open' => $this->handles[$handle] = $this->opened($step['store'] ?? null, $step['options'] ?? []),
            'close' => $store->close(),
            'set' => $store->set($step['option'], $step['value']),
            'account' => $this->register($store, $step),
            'put' => $this->putter($store, $step['field'])->put($step['account'], $step['field'], $step['value']),
            'get' => $this->get($store, $step),
            'reject' => $store->reject($step['name'], $step['token']),
            'report' => $this->report($store, $step),
        };
    }

    /**
     * @param array<string, string> $options
     */
    private function opened(?string $store, array $options): Store
    {
        $client = $this->operator !== null && $store === null ? ['server_key' => $this->key, 'revalidate_ms' => '0'] : [];
        return new Store($store ?? $this->variables['$STORE'], $options + $client + $this->simulated());
    }

    /**
     * At a server, the operator registers the account first.
     *
     * @param array<string, mixed> $step
     */
    private function register(Store $store, array $step): void
    {
        foreach (array_filter([$this->operator, $store]) as $one) {
            $one->register($step['account'], $step['kind'], $step['id'], $step['secret']);
        }
    }

    /**
     * At a server, only the operator may set an account's parent or the current account.
     */
    private function putter(Store $store, string $field): Store
    {
        return in_array($field, ['current', 'parent'], true) ? $this->operator ?? $store : $store;
    }

    private function delete(string $path): void
    {
        if (str_starts_with($path, 'redis')) {
            $command = ['redis-cli', '-s', getenv('WXTOKEN_CASES_REDIS'), 'FLUSHALL'];
            exec(implode(' ', array_map(escapeshellarg(...), $command)), $output, $code);
            same(0, $code, 'the exit code of redis-cli');
        } else {
            unlink($path);
        }
    }

    /**
     * @param array<string, mixed> $step
     */
    private function tell(array $step): void
    {
        $reply = $this->simulator->tell($step['path'], $step['body']);
        foreach ($step['keep'] ?? [] as $name => $field) {
            check(is_string($reply[$field] ?? null), "the simulator's reply has no string $field");
            $this->variables["$$name"] = $reply[$field];
        }
    }

    /**
     * @param array<string, mixed> $step
     */
    private function get(Store $store, array $step): void
    {
        $token = $store->token($step['name']);
        if (isset($step['same_as'])) {
            same($this->variables['$' . $step['same_as']], $token->value, 'the token');
        }
        if (isset($step['other_than'])) {
            check($this->variables['$' . $step['other_than']] !== $token->value, "the token is still $token");
        }
        if (isset($step['expires_in'])) {
            $this->within($step['expires_in'], $token->expiresAt->getTimestamp() - time(), 'seconds to its end');
        }
        if (isset($step['as'])) {
            $this->variables['$' . $step['as']] = $token->value;
        }
    }

    /**
     * @param array<string, mixed> $step
     */
    private function report(Store $store, array $step): void
    {
        $report = $store->report();
        $this->has($step['has'] ?? [], $report);
        $text = json_encode($report, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        foreach ($step['hides'] ?? [] as $part) {
            check(!str_contains($text, $part), "the report shows \"$part\": $text");
        }
    }

    /**
     * @param array<string, mixed> $expected Values by dotted path.
     * @param array<string, mixed> $actual
     */
    private function has(array $expected, array $actual): void
    {
        foreach ($expected as $path => $value) {
            $found = $actual;
            foreach (explode('.', $path) as $key) {
                $exists = is_array($found) && array_key_exists($key, $found);
                check($exists, "there is no $path in " . json_encode($actual));
                $found = $found[$key];
            }
            same($value, $found, $path);
        }
    }

    /**
     * @param ?array{int, int} $limits
     */
    private function within(?array $limits, int $actual, string $what): void
    {
        if ($limits !== null) {
            [$least, $most] = $limits;
            check($least <= $actual && $actual <= $most, "$what: $actual is not within $least to $most");
        }
    }

    private function filledIn(mixed $value): mixed
    {
        if (is_array($value)) {
            return array_map($this->filledIn(...), $value);
        }
        // strtr() replaces the longest name first.
        return is_string($value) ? strtr($value, $this->variables) : $value;
    }
}
