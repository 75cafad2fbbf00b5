/* include/wxtoken.h of 0.1.0 without its comments, by tests/abi/run.py --record. */
#ifndef WXTOKEN_H
#define WXTOKEN_H
#include <stddef.h>
#include <stdint.h>
#define WXTOKEN_VERSION "0.1.0"
#define WXTOKEN_VERSION_MAJOR 0
#define WXTOKEN_VERSION_MINOR 1
#define WXTOKEN_VERSION_PATCH 0
#define WXTOKEN_VERSION_NUMBER (WXTOKEN_VERSION_MAJOR * 1000000 + WXTOKEN_VERSION_MINOR * 1000 + WXTOKEN_VERSION_PATCH)
enum {
    WXTOKEN_NAME_MAX = 128,
    WXTOKEN_MESSAGE_SIZE = 496,
    WXTOKEN_TOKEN_SIZE = 1024,
};
typedef enum wxtoken_status {
    WXTOKEN_OK = 0,
    WXTOKEN_E_ARGUMENT = 1,
    WXTOKEN_E_ACCOUNT = 2,
    WXTOKEN_E_STORE = 3,
    WXTOKEN_E_SECRET = 4,
    WXTOKEN_E_NETWORK = 5,
    WXTOKEN_E_REPLY = 6,
    WXTOKEN_E_API = 7,
    WXTOKEN_E_TIMEOUT = 8,
    WXTOKEN_E_INTERNAL = 9,
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
#ifdef __cplusplus
extern "C" {
#endif
wxtoken_status wxtoken_init(const char *store,
                            wxtoken **out,
                            wxtoken_error *err);
wxtoken_status wxtoken_set(wxtoken *wx,
                           const char *option,
                           const char *value,
                           wxtoken_error *err);
wxtoken_status wxtoken_register(wxtoken *wx,
                                const char *account,
                                const char *kind,
                                const char *id,
                                const char *secret,
                                wxtoken_error *err);
wxtoken_status wxtoken_put(wxtoken *wx, const char *account, const char *field, const char *value, wxtoken_error *err);
wxtoken_status wxtoken_get(wxtoken *wx,
                           const char *name,
                           wxtoken_token *out,
                           wxtoken_error *err);
wxtoken_status wxtoken_known(wxtoken *wx,
                             const char *name,
                             wxtoken_token *out,
                             wxtoken_error *err);
wxtoken_status wxtoken_reject(wxtoken *wx,
                              const char *name,
                              const char *token,
                              wxtoken_error *err);
wxtoken_status wxtoken_report(wxtoken *wx, char *buf, size_t cap, size_t *needed, wxtoken_error *err);
void wxtoken_free(wxtoken *wx);
const char *wxtoken_version(void);
const char *wxtoken_status_name(int32_t status);
#ifdef __cplusplus
}
#endif
#endif
