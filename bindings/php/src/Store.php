<?php

declare(strict_types=1);

namespace WxToken;

use DateTimeImmutable;
use DateTimeZone;
use FFI;
use FFI\CData;
use WxToken\Exception\ArgumentException;

/**
 * One open store of accounts and tokens, shared by every process of the host that opens the same path.
 *
 * Cheap to open in each request: handles on one store share what the process knows, and that outlives them. After
 * pcntl_fork() both sides may go on using theirs.
 *
 * Every method throws a WxTokenException when it fails: a subclass for each status, see the namespace Exception.
 */
final class Store
{
    private readonly FFI $ffi;
    private ?CData $handle = null;
    // The last one that was given, and its end: mostly the next is the same.
    private ?Token $token = null;
    private int $ends = 0;
    private ?Answer $answer = null;

    /**
     * Opens a store, creating it when absent.
     *
     * @param ?string $store Path of its SQLite file, whose directory must exist, or a URL as
     *                       redis://HOST. Null is $WXTOKEN_STORE, else
     *                       $XDG_STATE_HOME/wxtoken/tokens.db, else ~/.local/state/wxtoken/tokens.db.
     * @param array<string, string|int|bool> $options As for set().
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
            // PHP runs no destructor after a constructor that threw.
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
     * Registers an account or updates it. It stays in the store; the first one becomes the current account.
     *
     * @param string $account A name of your choosing: 1 to 128 bytes of UTF-8, no slash, no control characters.
     * @param string $kind "official" (service and subscription accounts, mini programs), "official_classic" (the same
     *                     by the classic endpoint), "work" (an app of a WeCom corporation), "component" (a third-party
     *                     platform), "authorizer" (an account that has authorized one), "suite" (a WeCom third-party
     *                     app), "work_authorized" (a corporation that has installed one), "provider" (a WeCom service
     *                     provider), "qq", "qqbot", "douyin", "douyin_stable", "douyin_game", "dingtalk",
     *                     "dingtalk_suite", "feishu", "feishu_store", "feishu_tenant" (a tenant of a store app),
     *                     "lark", "xiaohongshu", "baidu" or "qidian".
     * @param string $id The appid, corpid, suite_id and so on.
     * @param ?string $secret Its secret; for "work_authorized" the permanent_code. Null for "authorizer" and
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
     * Sets a field of an account that is known later than its registration.
     *
     * @param string $field "current" (of every kind; see setCurrent()), "retry" (of every kind: ends the back-off after
     *                      a failure, at most once a minute), "parent" (of "authorizer" and
     *                      "work_authorized": the name of its component, or suite, in this store), "verify_ticket" (of
     *                      "component", from the push every 10 minutes), "suite_ticket" (of "suite", likewise;
     *                      of "dingtalk_suite"), "app_ticket" (of "feishu_store", from the push every hour), or
     *                      "refresh_token" (of "authorizer", from the authorization; put the parent first).
     * @param ?string $value A ticket or refresh token is sealed like a secret, and stays in the store. When the
     *                       platform sends another refresh token it replaces the one that was put; putting again what
     *                       was put before changes nothing then.
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
     * Makes an account the current one: the one that null names.
     */
    public function setCurrent(string $account): void
    {
        $this->put($account, 'current');
    }

    /**
     * Gives a token that is valid now. Blocks up to timeout_ms when it has to fetch, or to wait for another process
     * that does.
     *
     * A ticket, or an authorizer's token, is fetched with another token: that one is fetched on the way, within the
     * same timeout_ms.
     *
     * @param ?string $name An account; null is the current one. Or an account's other credential: "shop/jsapi_ticket",
     *                      "shop/card_ticket", in WeCom "app/jsapi_ticket" and "app/agent_ticket". And what was put:
     *                      "customer/refresh_token", "platform/verify_ticket", "suite/suite_ticket".
     */
    public function token(?string $name = null): Token
    {
        // Not shared while a call has it: a signal handler may ask, too, before this one has read it.
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
     * Says that the API refused a token (errcode 40001, 40014 or 42001): the next token() fetches another. Nothing
     * happens when the store has a different token by now.
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
     * Reports on every account and token: when it was fetched, when it ends, counts, the last error. No secret and no
     * token is in it.
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
                // It may grow while we look.
                if ($needed->cdata > $capacity) {
                    continue;
                }
                throw $reason;
            }

            return json_decode(FFI::string($text), true, flags: JSON_THROW_ON_ERROR);
        }
    }

    /**
     * Closes the handle; the store and what the process knows of it stay. Repeating it does nothing. The destructor
     * does the same.
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
     * The version of the C library, such as "0.1.0".
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
     * A copy would free the same handle again.
     */
    private function __clone()
    {
    }

    private function remember(#[\SensitiveParameter] string $value, int $ends): Token
    {
        // Without a zone PHP would read the default one, from a file, once in each request.
        $expiresAt = $ends === 0 ? null : new DateTimeImmutable("@$ends", new DateTimeZone('+00:00'));
        $this->ends = $ends;

        return $this->token = new Token($value, $expiresAt);
    }

    private function handle(): CData
    {
        return $this->handle ?? throw $this->badArgument('the store is closed');
    }

    /**
     * A string as it crosses. C would take the part before a NUL for the whole.
     */
    private function text(string $name, #[\SensitiveParameter] ?string $text): ?string
    {
        if ($text !== null && str_contains($text, "\0")) {
            throw $this->badArgument("$name holds a NUL byte");
        }

        return $text;
    }

    /**
     * Calls what not every request does.
     *
     * @param mixed ...$arguments Those of the C function, without the last one.
     */
    private function call(string $function, #[\SensitiveParameter] mixed ...$arguments): void
    {
        $library = Library::load();
        // An array of one crosses as a pointer. By its name: PHP leaks a type that an object keeps.
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
