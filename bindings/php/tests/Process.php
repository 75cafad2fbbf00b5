<?php

declare(strict_types=1);

namespace WxToken\Tests;

/**
 * A child process with its input, output and errors on pipes.
 */
final class Process
{
    private const PATIENCE_S = 30;

    /** @var resource */
    private $process;

    /** @var array<int, resource> */
    private array $pipes = [];

    /**
     * @param list<string> $command
     * @param array<string, string> $environment Variables to add to this process's own.
     */
    public function __construct(private readonly array $command, array $environment = [])
    {
        $pipes = [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']];
        $this->process = proc_open($command, $pipes, $this->pipes, null, $environment + getenv());
    }

    /**
     * @param list<string> $command
     * @param array<string, string> $environment
     * @return array{int, string} Its exit code and all it wrote.
     */
    public static function run(array $command, array $environment = []): array
    {
        // Both share one pipe: otherwise a child that fills one pipe while the other is being read would block forever.
        $process = new self(['sh', '-c', 'exec "$@" 2>&1', 'sh', ...$command], $environment);
        fclose($process->pipes[0]);
        $written = stream_get_contents($process->pipes[1]);

        return [proc_close($process->process), $written];
    }

    public function write(string $text): void
    {
        fwrite($this->pipes[0], $text);
    }

    /**
     * @param int $pipe 1 is its output, 2 its errors.
     * @return ?string The next line, or null at the end.
     */
    public function line(int $pipe = 1): ?string
    {
        [$readable, $none] = [[$this->pipes[$pipe]], null];
        check(
            stream_select($readable, $none, $none, self::PATIENCE_S) === 1,
            implode(' ', $this->command) . ' says nothing for ' . self::PATIENCE_S . ' s',
        );
        $line = fgets($this->pipes[$pipe]);

        return $line === false ? null : rtrim($line, "\n");
    }

    /**
     * Waits for the process to end.
     *
     * @return int Its exit code.
     */
    public function end(): int
    {
        array_map(fclose(...), $this->pipes);

        return proc_close($this->process);
    }

    /**
     * @return string The unread part of its error output.
     */
    public function stop(int $signal = SIGTERM): string
    {
        proc_terminate($this->process, $signal);
        $errors = stream_get_contents($this->pipes[2]);
        $this->end();

        return $errors;
    }
}
