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
 * An HTTP client for setHttpClient() of EasyWeChat's applications. It notices when WeChat refuses a token, rejects that
 * token, and makes the call once more with the next.
 *
 * It acts only on tokens that its AccessToken returned, and leaves others alone, such as a user's. An answer passes
 * through unchanged if it is not a refusal, if the store has no other token, or if the body of the call cannot be sent
 * again.
 *
 * EasyWeChat's own option http.retry does not do this. It acts only on answers with HTTP status 4xx and 5xx, and
 * repeats a call with the same token.
 */
final class HttpClient implements HttpClientInterface
{
    use AsyncDecoratorTrait;

    // 42006 is for a component's token, 40082 and 42009 for a suite's.
    private const REFUSED = [40001, 40014, 42001, 42006, 40082, 42009];
    // A refusal has a few hundred bytes. A longer answer, such as a picture, is not held back.
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
        // Not null instead of pass(): a client that decorates this one would lose the answer's body.
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
            // After a time-out or an informational status (1xx), the answer may still come.
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
     * Returns the options for making the call once more, or null if it must not be repeated.
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
            // The caller gets the refusal, as it would without this client. The next call for a token reports why there
            // is none.
            return null;
        }

        return $query === null || !self::canBeSentAgain($options['body'] ?? '') ? null : compact('query') + $options;
    }

    /**
     * Returns false for a stream or a generator, which has been read by now.
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
