<?php

declare(strict_types=1);

namespace WxToken;

use DateTimeImmutable;
use DateTimeZone;
use FFI;
use FFI\CData;
use WxToken\Exception\ArgumentException;

/**
 * An open store of accounts and tokens, shared by every process of the host that opens the same path.
 *
 * It is cheap to open in each request, because handles on one store share a cache that outlives them. After
 * pcntl_fork() parent and child may both go on using theirs.
 *
 * Every method throws a WxTokenException if it fails. The namespace Exception has a subclass for each status.
 */
final class Store
{
    private readonly FFI $ffi;
    private ?CData $handle = null;
    // The token that was returned last, and its expiry time. The next is usually the same.
    private ?Token $token = null;
    private int $ends = 0;
    private ?Answer $answer = null;

    /**
     * Opens a store and creates it if it does not exist.
     *
     * @param ?string $store Path of the SQLite file, whose directory must exist, or a URL such as redis://HOST. Null
     *                       means $WXTOKEN_STORE, else $XDG_STATE_HOME/wxtoken/tokens.db, else
     *                       ~/.local/state/wxtoken/tokens.db.
     * @param array<string, string|int|bool> $options Options by name, as for set().
     */
    public function __construct(?string $store = null, #[\SensitiveParameter] array $options = [])
    {
        $this->ffi = Library::hot();
        $this->answer = new Answer($this->ffi);
        $handle = $this->ffi->new('void *[1]');
        $error = $this->answer->error;
        $this->check($this->ffi->wxtoken_init($this->text('store', $store), $handle, $error), $error);
        $this->handle = $handle[0];
        try {
            foreach ($options as $option => $value) {
                $this->set((string) $option, $value);
            }
        } catch (\Throwable $reason) {
            // PHP does not run the destructor after a constructor that threw.
            $this->close();
            throw $reason;
        }
    }

    public function __destruct()
    {
        $this->close();
    }

    /**
     * Sets an option of this handle, such as timeout_ms. The README lists them.
     *
     * @param string|int|bool $value True is "1" and false is "0".
     */
    public function set(string $option, #[\SensitiveParameter] string|int|bool $value): void
    {
        $text = (string) (is_bool($value) ? (int) $value : $value);
        $error = $this->ffi->new(Declarations::ERROR);
        $handle = $this->handle();
        [$option, $text] = [$this->text('option', $option), $this->text('value', $text)];
        $this->check($this->ffi->wxtoken_set($handle, $option, $text, $error), $error);
    }

    /**
     * Registers an account or updates it. It stays in the store. The first account of a store becomes the current one.
     *
     * @param string $account The account's name, which you choose: 1 to 128 bytes of UTF-8, no slash, no control
     *                        characters.
     * @param string $kind "official" (service and subscription accounts, mini programs), "official_classic" (the same
     *                     accounts by the classic endpoint), "work" (an app of a WeCom corporation), "component" (a
     *                     third-party platform), "authorizer" (an account that has authorized one), "suite" (a WeCom
     *                     third-party app), "work_authorized" (a corporation that has installed one), "provider" (a
     *                     WeCom service provider), "qq", "qqbot", "douyin", "douyin_stable", "douyin_game",
     *                     "dingtalk", "dingtalk_suite", "feishu", "feishu_store", "feishu_tenant" (a tenant of a store
     *                     app), "lark", "xiaohongshu", "baidu" or "qidian".
     * @param string $id The appid, corpid, suite_id and so on.
     * @param ?string $secret The app secret. For "work_authorized" it is the permanent_code. Null for "authorizer" and
     *                        "feishu_tenant", which have none. It is sealed in the store and never shown again.
     */
    public function register(
        string $account,
        string $kind,
        string $id,
        #[\SensitiveParameter] ?string $secret = null,
    ): void {
        $this->call(
            'wxtoken_register',
            $this->handle(),
            $this->text('account', $account),
            $this->text('kind', $kind),
            $this->text('id', $id),
            $this->text('secret', $secret),
        );
    }

    /**
     * Sets a field of an account that becomes known after its registration.
     *
     * @param string $field "current" (every kind; see setCurrent()), "retry" (every kind: ends the back-off after a
     *                      failure, at most once a minute), "parent" ("authorizer" and "work_authorized": the name of
     *                      its component or suite in this store; "feishu_tenant": the name of its store app),
     *                      "verify_ticket" ("component", from the push every 10 minutes), "suite_ticket" ("suite", from
     *                      the push every 10 minutes; "dingtalk_suite"), "app_ticket" ("feishu_store", from the push
     *                      every hour), or "refresh_token" ("authorizer", from the authorization; put the parent
     *                      first).
     * @param ?string $value The field's value. A ticket or refresh token is sealed like a secret and stays in the
     *                       store. If the platform sends another refresh token, that one replaces the one that was put.
     *                       Putting the old one again then changes nothing.
     */
    public function put(string $account, string $field, #[\SensitiveParameter] ?string $value = null): void
    {
        $this->call(
            'wxtoken_put',
            $this->handle(),
            $this->text('account', $account),
            $this->text('field', $field),
            $this->text('value', $value),
        );
    }

    /**
     * Makes an account the current one, which null names.
     */
    public function setCurrent(string $account): void
    {
        $this->put($account, 'current');
    }

    /**
     * Returns a token that is valid now. Blocks up to timeout_ms if it must fetch, or wait for another process's fetch.
     *
     * Some credentials need another token: a ticket, or an authorizer's token. That token is fetched first, within the
     * same timeout_ms.
     *
     * @param ?string $name An account, where null means the current one, or another credential of an account:
     *                      "shop/jsapi_ticket", "shop/card_ticket", in WeCom "app/jsapi_ticket" and "app/agent_ticket".
     *                      "customer/refresh_token", "platform/verify_ticket" and "suite/suite_ticket" return the secret
     *                      that was put.
     */
    public function token(?string $name = null): Token
    {
        // Not shared while a call uses it, because a signal handler may make a call before this one has read its
        // answer.
        $answer = $this->answer ?? new Answer($this->ffi);
        $this->answer = null;
        $handle = $this->handle ?? $this->handle();
        if ($name !== null && str_contains($name, "\0")) {
            $this->text('name', $name);
        }
        $status = $this->ffi->wxtoken_get($handle, $name, $answer->out, $answer->error);
        if ($status !== 0) {
            $this->check($status, $answer->error);
        }
        $out = $answer->out;
        $value = FFI::string($answer->value, $out[1]);
        $ends = $out[0];
        $token = $this->token;
        if ($token === null || $value !== $token->value || $ends !== $this->ends) {
            $token = $this->remember($value, $ends);
        }
        $this->answer = $answer;

        return $token;
    }

    /**
     * Reports that the API refused a token (errcode 40001, 40014 or 42001). The next token() then fetches another. If the
     * store has a different token by now, nothing happens.
     *
     * @param ?string $name The account or account/credential, as for token().
     * @param Token|string $token The token that was refused.
     */
    public function reject(?string $name, #[\SensitiveParameter] Token|string $token): void
    {
        $this->call(
            'wxtoken_reject',
            $this->handle(),
            $this->text('name', $name),
            $this->text('token', (string) $token),
        );
    }

    /**
     * Describes every account and token: when it was fetched, when it expires, counts, the last error. The report
     * contains no secret and no token.
     *
     * @return array<string, mixed>
     */
    public function report(): array
    {
        $needed = $this->ffi->new('size_t');
        for ($capacity = 4096;; $capacity = $needed->cdata) {
            $text = $this->ffi->new("char[$capacity]");
            try {
                $this->call('wxtoken_report', $this->handle(), $text, $capacity, FFI::addr($needed));
            } catch (ArgumentException $reason) {
                // The report may grow between two calls.
                if ($needed->cdata > $capacity) {
                    continue;
                }
                throw $reason;
            }

            return json_decode(FFI::string($text), true, flags: JSON_THROW_ON_ERROR);
        }
    }

    /**
     * Closes the handle. The store and the process's cache of it stay. Closing again does nothing. The destructor does
     * the same.
     */
    public function close(): void
    {
        if ($this->handle !== null) {
            $handle = $this->handle;
            $this->handle = null;
            $this->ffi->wxtoken_free($handle);
        }
    }

    /**
     * Returns the version of the C library, such as "0.1.0".
     */
    public static function version(): string
    {
        return Library::load()->wxtoken_version();
    }

    /**
     * @return array<string, bool>
     */
    public function __debugInfo(): array
    {
        return ['open' => $this->handle !== null];
    }

    /**
     * Prevents a copy, which would free the same handle again.
     */
    private function __clone()
    {
    }

    private function remember(#[\SensitiveParameter] string $value, int $ends): Token
    {
        // Without a zone PHP would read the default one from a file, once in each request.
        $expiresAt = $ends === 0 ? null : new DateTimeImmutable("@$ends", new DateTimeZone('+00:00'));
        $this->ends = $ends;

        return $this->token = new Token($value, $expiresAt);
    }

    private function handle(): CData
    {
        return $this->handle ?? throw $this->badArgument('the store is closed');
    }

    /**
     * Returns a string for C. C would read it only up to its first NUL.
     */
    private function text(string $name, #[\SensitiveParameter] ?string $text): ?string
    {
        if ($text !== null && str_contains($text, "\0")) {
            throw $this->badArgument("$name holds a NUL byte");
        }

        return $text;
    }

    /**
     * Calls a function that not every request needs.
     *
     * @param mixed ...$arguments The arguments of the C function, without the last one.
     */
    private function call(string $function, #[\SensitiveParameter] mixed ...$arguments): void
    {
        $library = Library::load();
        // An array of one is passed as a pointer. It is named here because PHP leaks a type that an object keeps.
        $arguments[] = $error = $library->new('wxtoken_error[1]');
        $this->check($library->$function(...$arguments), $error);
    }

    private function check(int $status, CData $error): void
    {
        if ($status !== 0) {
            $library = Library::load();
            $error = $library->cast('wxtoken_error', $error);
            throw WxTokenException::of(
                FFI::string($error->message),
                $status,
                $library->wxtoken_status_name($status),
                $error->errcode,
                $error->retry_after_ms,
            );
        }
    }

    private function badArgument(string $message): WxTokenException
    {
        return WxTokenException::of($message, 1, 'WXTOKEN_E_ARGUMENT');
    }
}
