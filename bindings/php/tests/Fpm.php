<?php

declare(strict_types=1);

namespace WxToken\Tests;

use RuntimeException;
use Throwable;

/**
 * A private PHP-FPM with four workers, set up as the README says: opcache.preload and ffi.enable=preload.
 */
final class Fpm
{
    public const WORKERS = 4;

    private readonly string $socket;
    private readonly string $page;
    private readonly Process $master;

    /** @var list<string> */
    private array $log = [];

    /**
     * @param string $directory Where all its files go. The workers can write to $directory/state only.
     * @param array<string, string> $environment The workers' environment.
     * @param list<string> $settings More lines of php.ini.
     * @param list<string> $pool More lines of the pool's file.
     */
    public function __construct(
        private readonly string $directory,
        array $environment,
        bool $preload = true,
        array $settings = [],
        array $pool = [],
    ) {
        $this->socket = "$directory/fpm.sock";
        $this->page = "$directory/package/page.php";
        $this->copyPackage();

        $root = posix_geteuid() === 0;
        $user = $root ? 'nobody' : posix_getpwuid(posix_geteuid())['name'];
        mkdir("$directory/state", 0700);
        chmod($directory, 0755);
        if ($root) {
            chown("$directory/state", $user);
        }
        $settings = ['ffi.enable=preload', 'opcache.enable=1', ...$settings];
        if ($preload) {
            array_push($settings, "opcache.preload=$directory/package/preload.php", "opcache.preload_user=$user");
        }
        file_put_contents("$directory/php.ini", implode("\n", $settings) . "\n");
        $lines = [
            '[global]',
            'error_log = /proc/self/fd/2',
            '[www]',
            "listen = $this->socket",
            'pm = static',
            'pm.max_children = ' . self::WORKERS,
            'catch_workers_output = yes',
            ...($root ? ["user = $user", 'group = ' . posix_getgrgid(posix_getpwnam($user)['gid'])['name']] : []),
            ...$pool,
        ];
        foreach ($environment as $name => $value) {
            $lines[] = "env[$name] = \"$value\"";
        }
        file_put_contents("$directory/fpm.conf", implode("\n", $lines) . "\n");
        $this->start();
    }

    public function request(string $query = '', string $secret = ''): FastCgiRequest
    {
        return new FastCgiRequest($this->socket, $this->page, ['QUERY_STRING' => $query, 'HTTP_X_SECRET' => $secret]);
    }

    /**
     * Sends one request, and stops PHP-FPM.
     *
     * @return array{string, string} The answer, and the log.
     */
    public function once(string $query = '', string $secret = ''): array
    {
        try {
            $request = $this->request($query, $secret);
            $answer = $request->answer();
            $request->end();
        } finally {
            $log = $this->stop();
        }

        return [$answer, $log];
    }

    /**
     * Sends one request to each worker. None ends before all have answered.
     *
     * @return array<int, string> The token that each returned, by the worker's process id.
     */
    public function tokensOfAllWorkers(): array
    {
        $requests = array_map(fn () => $this->request(), range(1, self::WORKERS));
        $tokens = [];
        foreach ($requests as $request) {
            $answer = $request->answer();
            ['pid' => $pid, 'token' => $tokens[$pid]] = $this->decoded($answer);
        }
        array_map(static fn (FastCgiRequest $request) => $request->end(), $requests);

        return $tokens;
    }

    /**
     * @return array<string, mixed>
     */
    public function decoded(string $answer): array
    {
        $answer = json_decode($answer, true) ?? ['error' => "no JSON: $answer"];
        check(!isset($answer['error']), 'the page failed: ' . ($answer['error'] ?? ''));

        return $answer;
    }

    /**
     * @return string Its log.
     */
    public function stop(): string
    {
        return implode("\n", $this->log) . "\n" . $this->master->stop();
    }

    private function start(): void
    {
        $configuration = ['-c', "$this->directory/php.ini", '-y', "$this->directory/fpm.conf"];
        $this->master = new Process([self::binary(), '--nodaemonize', ...$configuration]);
        try {
            do {
                $line = $this->master->line(2);
                check($line !== null, 'PHP-FPM ended before it was ready');
                $this->log[] = $line;
            } while (!str_contains($line, 'ready to handle connections'));
        } catch (Throwable $reason) {
            throw new RuntimeException("{$reason->getMessage()}\nPHP-FPM said:\n{$this->stop()}", previous: $reason);
        }
    }

    /**
     * The workers run as another user, which may not be able to read this directory or that of the library.
     */
    private function copyPackage(): void
    {
        $package = "$this->directory/package";
        foreach (['', '/src', '/src/Exception', '/src/EasyWeChat'] as $folder) {
            mkdir($package . $folder);
        }
        $files = ['preload.php', 'src/*.php', 'src/Exception/*.php', 'src/EasyWeChat/*.php'];
        foreach ($files as $pattern) {
            foreach (glob(__DIR__ . "/../$pattern") as $file) {
                copy($file, $package . '/' . dirname($pattern) . '/' . basename($file));
            }
        }
        copy(__DIR__ . '/programs/page.php', $this->page);
        copy(__DIR__ . '/programs/contracts.php', "$package/contracts.php");
        copy(self::loadedLibrary(), "$this->directory/libwxtoken.so.0");
    }

    public static function loadedLibrary(): string
    {
        \WxToken\Store::version();
        check(
            preg_match('~/\S*libwxtoken\.so\S*$~m', file_get_contents('/proc/self/maps'), $found) === 1,
            'libwxtoken is not in /proc/self/maps',
        );

        return $found[0];
    }

    private static function binary(): string
    {
        $version = PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;
        foreach (["php-fpm$version", 'php-fpm'] as $name) {
            foreach ([...explode(':', (string) getenv('PATH')), '/usr/sbin', '/usr/local/sbin'] as $folder) {
                if (is_executable("$folder/$name")) {
                    return "$folder/$name";
                }
            }
        }
        throw new RuntimeException("there is no php-fpm$version: install it (Debian: apt install php$version-fpm)");
    }
}
