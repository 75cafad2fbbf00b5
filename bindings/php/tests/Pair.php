<?php

declare(strict_types=1);

namespace WxToken\Tests;

/**
 * Two processes that make a business call by one account whenever they read a line, and answer how it went.
 */
final class Pair
{
    private readonly Process $here;
    private readonly Process $there;

    /**
     * @param string $name For messages.
     * @param array{string, string, string} $account Its kind, id and secret.
     * @param callable(string): Process $start Makes a process, of the name "here" or "there".
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
     * Both call, one after the other.
     *
     * @param list<string> $order Who calls, in which order.
     */
    public function call(string $event, string $expected = 'ok', array $order = ['here', 'there']): void
    {
        foreach ($order as $who) {
            $this->$who->write("call\n");
            same($expected, $this->$who->line(), "$this->name, $event: the call made $who");
        }
    }

    /**
     * @param int $requests For tokens, since the start.
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
     * Ends both, who must have nothing more to say.
     */
    public function end(): void
    {
        foreach ([$this->here, $this->there] as $process) {
            same('', $process->stop(), "what a process of $this->name wrote as errors");
        }
    }

    /**
     * Waits for the end of all tokens of $lifetimeMs that there are now. The simulator counts in milliseconds, and a
     * reply in seconds.
     */
    public static function expire(int $lifetimeMs): void
    {
        $end = microtime(true) + $lifetimeMs / 1000 + 1.05;
        while (($left = $end - microtime(true)) > 0) {
            usleep((int) ceil($left * 1e6));
        }
    }
}
