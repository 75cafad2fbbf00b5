<?php

declare(strict_types=1);

namespace WxToken\Tests;

/**
 * Two processes that make a business call with one account whenever they read a line, and write its outcome.
 */
final class Pair
{
    private readonly Process $here;
    private readonly Process $there;

    /**
     * @param string $name The name in messages.
     * @param array{string, string, string} $account Its kind, id and secret.
     * @param callable(string): Process $start Starts a process with the name "here" or "there".
     */
    public function __construct(
        private readonly Simulator $simulator,
        private readonly string $name,
        private readonly array $account,
        callable $start,
    ) {
        [$this->here, $this->there] = [$start('here'), $start('there')];
        foreach ([$this->here, $this->there] as $process) {
            same('ready', $process->line(), "the first line of a process of $name");
        }
    }

    /**
     * Makes both processes call, one after the other.
     *
     * @param list<string> $order The processes, in the order of their calls.
     */
    public function call(string $event, string $expected = 'ok', array $order = ['here', 'there']): void
    {
        foreach ($order as $who) {
            $this->$who->write("call\n");
            same($expected, $this->$who->line(), "$this->name, $event: the call made $who");
        }
    }

    /**
     * @param int $requests The number of token requests since the start.
     */
    public function counts(string $event, int $requests, int $minted): void
    {
        $counters = $this->simulator->counters($this->account[1]);
        same(
            [$requests, $minted],
            [$counters['requests'], $counters['minted']],
            "$this->name, $event: requests and mints",
        );
    }

    public function lifetime(int $ms): void
    {
        [$kind, $id, $secret] = $this->account;
        $this->simulator->tell('/accounts', ['kind' => $kind, 'id' => $id, 'secret' => $secret, 'lifetime_ms' => $ms]);
    }

    public function revoke(): void
    {
        $this->simulator->tell('/revoke', ['id' => $this->account[1], 'which' => 'all']);
    }

    /**
     * Ends both processes, and fails if either has unread output.
     */
    public function end(): void
    {
        foreach ([$this->here, $this->there] as $process) {
            same('', $process->stop(), "what a process of $this->name wrote as errors");
        }
    }

    /**
     * Waits until all current tokens of $lifetimeMs have expired. The simulator counts in milliseconds, and a reply in
     * seconds.
     */
    public static function expire(int $lifetimeMs): void
    {
        $end = microtime(true) + $lifetimeMs / 1000 + 1.05;
        while (($left = $end - microtime(true)) > 0) {
            usleep((int) ceil($left * 1e6));
        }
    }
}
