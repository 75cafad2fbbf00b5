<?php

declare(strict_types=1);

namespace WxToken;

/**
 * The C library as FFI::cdef() takes it. bin/make-cdef generates this from include/wxtoken.h.
 *
 * A constant of a preloaded class costs a request nothing. A file would have to be read in each request.
 *
 * @internal
 */
final class Declarations
{
    public const C = <<<'C'
enum {
    WXTOKEN_NAME_MAX = 128, WXTOKEN_MESSAGE_SIZE = 496, WXTOKEN_TOKEN_SIZE = 1024
};
typedef enum wxtoken_status {
    WXTOKEN_OK = 0, WXTOKEN_E_ARGUMENT = 1, WXTOKEN_E_ACCOUNT = 2, WXTOKEN_E_STORE = 3, WXTOKEN_E_SECRET = 4, WXTOKEN_E_NETWORK = 5, WXTOKEN_E_REPLY = 6, WXTOKEN_E_API = 7, WXTOKEN_E_TIMEOUT = 8, WXTOKEN_E_INTERNAL = 9
} wxtoken_status;
typedef struct wxtoken wxtoken;
typedef struct wxtoken_error {
    wxtoken_status status;
    int32_t errcode;
    int64_t retry_after_ms;
    char message[496];
} wxtoken_error;
typedef struct wxtoken_token {
    int64_t expires_at;
    size_t length;
    char value[1024];
} wxtoken_token;
wxtoken_status wxtoken_init(const char *store, wxtoken **out, wxtoken_error *err);
wxtoken_status wxtoken_set(wxtoken *wx, const char *option, const char *value, wxtoken_error *err);
wxtoken_status wxtoken_register(wxtoken *wx, const char *account, const char *kind, const char *id, const char *secret, wxtoken_error *err);
wxtoken_status wxtoken_put(wxtoken *wx, const char *account, const char *field, const char *value, wxtoken_error *err);
wxtoken_status wxtoken_get(wxtoken *wx, const char *name, wxtoken_token *out, wxtoken_error *err);
wxtoken_status wxtoken_known(wxtoken *wx, const char *name, wxtoken_token *out, wxtoken_error *err);
wxtoken_status wxtoken_reject(wxtoken *wx, const char *name, const char *token, wxtoken_error *err);
wxtoken_status wxtoken_report(wxtoken *wx, char *buf, size_t cap, size_t *needed, wxtoken_error *err);
void wxtoken_free(wxtoken *wx);
const char *wxtoken_version(void);
const char *wxtoken_status_name(int32_t status);
C;

    /** The functions that most requests call, in as few words as C allows. */
    public const HOT = <<<'C'
int wxtoken_init(char*,void**,void*);
int wxtoken_set(void*,char*,char*,void*);
int wxtoken_get(void*,char*,void*,void*);
void wxtoken_free(void*);
C;

    /** A wxtoken_token: its expiry time, its length, its text. */
    public const TOKEN = 'int64_t[130]';

    /** A wxtoken_error, for callers that only pass it on. */
    public const ERROR = 'int64_t[64]';
}
