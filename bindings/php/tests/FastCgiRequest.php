<?php

declare(strict_types=1);

namespace WxToken\Tests;

/**
 * One FastCGI request on its own connection, as a web server makes it. Its body stays open until end().
 */
final class FastCgiRequest
{
    private const BEGIN_REQUEST = 1;
    private const END_REQUEST = 3;
    private const PARAMS = 4;
    private const STDIN = 5;

    /** @var resource */
    private $connection;

    /**
     * @param array<string, string> $parameters
     */
    public function __construct(string $socket, string $script, array $parameters = [])
    {
        $this->connection = stream_socket_client("unix://$socket", timeout: 10);
        stream_set_timeout($this->connection, 30);
        $encoded = '';
        $parameters += [
            'SCRIPT_FILENAME' => $script,
            // PHP reads the body of a POST before it runs the script, but not the body of a PUT.
            'REQUEST_METHOD' => 'PUT',
            'CONTENT_LENGTH' => '1',
            'QUERY_STRING' => '',
        ];
        foreach ($parameters as $name => $value) {
            $encoded .= pack('NN', strlen($name) | 0x80000000, strlen($value) | 0x80000000) . $name . $value;
        }
        $responder = pack('nCx5', 1, 0);
        $this->send(self::BEGIN_REQUEST, $responder);
        $this->send(self::PARAMS, $encoded);
        $this->send(self::PARAMS, '');
    }

    /**
     * @return string The output of the script up to its first flush, without the headers.
     */
    public function answer(): string
    {
        [, $content] = $this->record();

        return explode("\r\n\r\n", $content, 2)[1] ?? $content;
    }

    public function end(): void
    {
        $this->send(self::STDIN, '.');
        $this->send(self::STDIN, '');
        do {
            [$type, $content] = $this->record();
            check($type === self::END_REQUEST || $content === '', "the page goes on after its end: $content");
        } while ($type !== self::END_REQUEST);
        fclose($this->connection);
    }

    private function send(int $type, string $content): void
    {
        fwrite($this->connection, pack('CCnnCx', 1, $type, 1, strlen($content), 0) . $content);
    }

    /**
     * @return array{int, string} Its type and its content.
     */
    private function record(): array
    {
        $header = (string) stream_get_contents($this->connection, 8);
        check(strlen($header) === 8, 'PHP-FPM closed the connection, or said nothing for 30 s');
        ['type' => $type, 'length' => $length, 'padding' => $padding] = unpack('C/Ctype/n/nlength/Cpadding', $header);

        return [$type, substr((string) stream_get_contents($this->connection, $length + $padding), 0, $length)];
    }
}
