/* Registers an account and gets its token. Prints one line: the token's beginning and end, its length, its time left,
   and how many microseconds the call took. The environment names the account; see README.md. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wxtoken.h>

static long long microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void print_line(const wxtoken_token *token, long long took)
{
    int length = (int)token->length;
    int head = length < 12 ? 0 : 8; /* a token too short to be shortened is not shown */
    int tail = length < 12 ? 0 : 4;
    printf("C  %.*s\xe2\x80\xa6%s  %d chars  expires in %lld s  %lld us\n", head, token->value,
           token->value + length - tail, length, (long long)token->expires_at - (long long)time(NULL), took);
}

int main(void)
{
    const char *id = getenv("WXTOKEN_ID");
    const char *secret = getenv("WXTOKEN_SECRET");
    const char *kind = getenv("WXTOKEN_KIND");
    wxtoken *wx = NULL; /* stays NULL if init fails, and wxtoken_free(NULL) does nothing */
    wxtoken_token token;
    wxtoken_error err;
    wxtoken_status status;
    long long began;

    /* NULL means the default store: $WXTOKEN_STORE, else one in the user's state directory. */
    status = wxtoken_init(NULL, &wx, &err);
    /* Once is enough: the store keeps the account, and later runs need no secret. */
    if (status == WXTOKEN_OK && id != NULL)
        status = wxtoken_register(wx, "demo", kind ? kind : "official", id, secret ? secret : "", &err);

    began = microseconds();
    if (status == WXTOKEN_OK)
        status = wxtoken_get(wx, "demo", &token, &err);
    if (status == WXTOKEN_OK)
        print_line(&token, microseconds() - began);
    else
        fprintf(stderr, "%s\n", err.message);
    wxtoken_free(wx);
    return status == WXTOKEN_OK ? 0 : 1;
}
