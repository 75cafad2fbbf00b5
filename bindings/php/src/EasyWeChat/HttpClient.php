<?php

declare(strict_types=1);

namespace WxToken\EasyWeChat;

use Symfony\Component\HttpClient\AsyncDecoratorTrait;
use Symfony\Component\HttpClient\Response\AsyncContext;
use Symfony\Component\HttpClient\Response\AsyncResponse;
use Symfony\Contracts\HttpClient\ChunkInterface;
use Symfony\Contracts\HttpClient\HttpClientInterface;
use Symfony\Contracts\HttpClient\ResponseInterface;
use WxToken\WxTokenException;

/**
 * An HTTP client for the setHttpClient() of EasyWeChat's applications, which notices when WeChat refuses a token: it
 * rejects exactly that one, and makes the call once more with the next.
 *
 * It acts on a token that its AccessToken gave, and leaves others alone, such as a user's. An answer passes through as
 * it came when it is no refusal, when there is no other token, and when the body of the call cannot be sent again.
 *
 * EasyWeChat's own option http.retry does not do this: it looks at answers with HTTP status 4xx and 5xx only, and
 * repeats a call with the token that it had.
 */
final class HttpClient implements HttpClientInterface
{
    use AsyncDecoratorTrait;

    // 42006 of a component's token, 40082 and 42009 of a suite's.
    private const REFUSED = [40001, 40014, 42001, 42006, 40082, 42009];
    // A refusal has some hundred bytes. What is longer, such as a picture, is not held back.
    private const LONGEST_REFUSAL = 16384;

    /**
     * @param HttpClientInterface $client The application's own: $app->getHttpClient().
     */
    public function __construct(HttpClientInterface $client, private readonly AccessToken $token)
    {
        $this->client = $client;
    }

    /**
     * @param array<string, mixed> $options
     */
    public function request(
        string $method,
        string $url,
        #[\SensitiveParameter] array $options = [],
    ): ResponseInterface {
        $carried = $this->token->in($options['query'] ?? []);
        // Not null in place of pass(): a client that decorates this one would lose the answer's body.
        $filter = $carried === null ? self::pass(...) : $this->watch($method, $url, $options, $carried);

        return new AsyncResponse($this->client, $method, $url, $options, $filter);
    }

    private static function pass(ChunkInterface $chunk): \Iterator
    {
        yield $chunk;
    }

    /**
     * Holds the answer back until it is known whether it is a refusal.
     *
     * @param array<string, mixed> $options
     */
    private function watch(
        string $method,
        string $url,
        #[\SensitiveParameter] array $options,
        #[\SensitiveParameter] string $carried,
    ): \Closure {
        [$first, $body] = [null, ''];

        return function (
            ChunkInterface $chunk,
            AsyncContext $context,
        ) use (
            $method,
            $url,
            $options,
            $carried,
            &$first,
            &$body,
        ): \Iterator {
            // After a time-out or an information (1xx), the answer may still come.
            $noAnswer = $chunk->getError() !== null || $chunk->getInformationalStatus() !== null;
            if ($noAnswer || $context->getInfo('canceled')) {
                yield $chunk;
                return;
            }
            if ($chunk->isFirst() && $context->getStatusCode() === 200) {
                $first = $chunk;
                return;
            }
            if ($chunk->isFirst()) {
                $context->passthru();
                yield $chunk;
                return;
            }
            $body .= $chunk->getContent();
            if (!$chunk->isLast() && strlen($body) <= self::LONGEST_REFUSAL) {
                return;
            }

            $context->passthru();
            $again = $chunk->isLast() ? $this->again($options, $body, $carried) : null;
            if ($again !== null) {
                $context->getResponse()->cancel();
                $context->replaceRequest($method, $url, $again);
                return;
            }
            yield $first;
            if ($body !== '') {
                yield $context->createChunk($body);
            }
            if ($chunk->isLast()) {
                yield $chunk;
            }
        };
    }

    /**
     * The options to make the call with once more; null when it is not to be made.
     *
     * @param array<string, mixed> $options
     * @return ?array<string, mixed>
     */
    private function again(
        #[\SensitiveParameter] array $options,
        string $body,
        #[\SensitiveParameter] string $carried,
    ): ?array {
        if (!in_array(json_decode($body, true)['errcode'] ?? null, self::REFUSED, true)) {
            return null;
        }
        try {
            $query = $this->token->replacedIn($options['query'], $carried);
        } catch (WxTokenException) {
            // The caller gets the refusal, as without us; the next call for a token says why there is none.
            return null;
        }

        return $query === null || !self::canBeSentAgain($options['body'] ?? '') ? null : compact('query') + $options;
    }

    /**
     * A stream or a generator has been read by now.
     */
    private static function canBeSentAgain(mixed $body): bool
    {
        foreach (is_array($body) ? $body : [] as $part) {
            if (!self::canBeSentAgain($part)) {
                return false;
            }
        }

        return is_array($body) || is_scalar($body);
    }
}
