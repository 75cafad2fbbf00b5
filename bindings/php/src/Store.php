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
    // The last one that was given: mostly the next is the same.
    private ?Token $token = null;

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
        $this->ffi = Library::load();
        $handle = $this->ffi->new('wxtoken *');
        $this->call('wxtoken_init', $this->text('store', $store), FFI::addr($handle));
        $this->handle = $handle;
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
        $this->call('wxtoken_set', $this->handle(), $this->text('option', $option), $this->text('value', $text));
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
        // Memory of its own for each call: a signal handler may ask, too, before this one has read it.
        $out = $this->ffi->new('wxtoken_token[1]');
        $this->call('wxtoken_get', $this->handle(), $this->text('name', $name), $out);

        return $this->tokenIn($out[0]);
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

    private function tokenIn(CData $out): Token
    {
        $value = FFI::string($out->value, $out->length);
        $token = $this->token;
        $ends = $out->expires_at ?: null;
        if ($value !== $token?->value || $ends !== $token->expiresAt?->getTimestamp()) {
            // Without a zone PHP would read the default one, from a file, once in each request.
            $expiresAt = $ends === null ? null : new DateTimeImmutable("@$ends", new DateTimeZone('+00:00'));
            $this->token = $token = new Token($value, $expiresAt);
        }

        return $token;
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
     * @param mixed ...$arguments Those of the C function, without the last one.
     */
    private function call(string $function, #[\SensitiveParameter] mixed ...$arguments): void
    {
        // An array of one crosses as a pointer. By its name: PHP leaks a type that an object keeps.
        $arguments[] = $error = $this->ffi->new('wxtoken_error[1]');
        $status = $this->ffi->$function(...$arguments);
        if ($status !== $this->ffi->WXTOKEN_OK) {
            throw WxTokenException::of(
                FFI::string($error[0]->message),
                $status,
                $this->ffi->wxtoken_status_name($status),
                $error[0]->errcode,
                $error[0]->retry_after_ms,
            );
        }
    }

    private function badArgument(string $message): WxTokenException
    {
        return WxTokenException::of($message, $this->ffi->WXTOKEN_E_ARGUMENT, 'WXTOKEN_E_ARGUMENT');
    }
}
