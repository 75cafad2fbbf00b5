/* Handles each kind of failure, and a token that the API refuses: rejects it, gets another, tries once more. Run
   first_get before, so that the account "demo" is in the store. */
#define _POSIX_C_SOURCE 200809L
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wxtoken.h>

/* Returns the next step of the program or its operator. err->message has the details: always log it. */
static const char *next_step(const wxtoken_error *err)
{
    switch (err->status) {
    case WXTOKEN_OK: return "go on";
    case WXTOKEN_E_ARGUMENT: return "correct the call, or the WXTOKEN_ variable that the message names";
    case WXTOKEN_E_ACCOUNT: return "register the account, once, with its id and secret";
    case WXTOKEN_E_STORE: return "operator: path, owner, mode and free space of the store";
    case WXTOKEN_E_SECRET: return "run a process that may read the key file, or let this one read it";
    case WXTOKEN_E_NETWORK: return "try again after retry_after_ms; operator: DNS, firewall, proxy, ca_file";
    case WXTOKEN_E_REPLY: return "try again after retry_after_ms; operator: what answers at the base URL?";
    case WXTOKEN_E_API: return "look errcode up: 40125 secret, 40164 IP list, 45009 quota; then retry_after_ms";
    case WXTOKEN_E_TIMEOUT: return "try again after retry_after_ms, or allow a longer timeout_ms";
    case WXTOKEN_E_INTERNAL: return "report it, with the version and the call";
    }
    return "a status that this program does not know: see err->message";
}

static int fail(const wxtoken_error *err)
{
    fprintf(stderr, "%s (errcode %d, retry after %lld ms): %s\n  next: %s\n", wxtoken_status_name(err->status),
            (int)err->errcode, (long long)err->retry_after_ms, err->message, next_step(err));
    return 1;
}

/* Sends GET to host:port over plain HTTP. Returns 0 if an answer was read. It stands for your program's HTTP client. */
static int http_get(const char *host, const char *port, const char *path, char *reply, size_t cap)
{
    char request[2048];
    struct addrinfo hints, *found;
    size_t got = 0;
    ssize_t n = -1;
    int fd;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0 &&
        write(fd, request, strlen(request)) == (ssize_t)strlen(request))
        while ((n = read(fd, reply + got, cap - 1 - got)) > 0)
            got += (size_t)n;
    reply[got] = '\0';
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return n == 0 ? 0 : -1;
}

/* Makes the business call. Returns WeChat's errcode, 0 if it worked, or -1 if no answer came. */
static int call_api(const char *token)
{
    const char *base = getenv("WXTOKEN_API_BASE_URL");
    char host[256], port[8] = "80", path[1200], reply[4096];
    const char *errcode;

    if (base == NULL || sscanf(base, "http://%255[^:/]:%7[0-9]", host, port) < 1) {
        fputs("this example speaks plain http only: set WXTOKEN_API_BASE_URL to a simulator\n", stderr);
        return -1;
    }
    snprintf(path, sizeof path, "/cgi-bin/getcallbackip?access_token=%s", token);
    if (http_get(host, port, path, reply, sizeof reply) != 0)
        return -1;
    errcode = strstr(reply, "\"errcode\":");
    return errcode ? atoi(errcode + strlen("\"errcode\":")) : 0;
}

static int is_refusal(int errcode)
{
    return errcode == 40001 || errcode == 40014 || errcode == 42001;
}

int main(void)
{
    wxtoken *wx = NULL;
    wxtoken_token token;
    wxtoken_error err;
    wxtoken_status status = wxtoken_init(NULL, &wx, &err);
    int errcode = -1, tries;

    /* Two tries at most: if a new token is refused, asking again does not help. */
    for (tries = 0; status == WXTOKEN_OK && tries < 2; tries++) {
        status = wxtoken_get(wx, "demo", &token, &err);
        if (status != WXTOKEN_OK)
            break;
        errcode = call_api(token.value);
        if (!is_refusal(errcode))
            break;
        printf("errcode %d: the token is refused; rejecting it\n", errcode);
        status = wxtoken_reject(wx, "demo", token.value, &err);
    }
    wxtoken_free(wx);
    if (status != WXTOKEN_OK)
        return fail(&err);
    printf("the call returned errcode %d\n", errcode);
    return errcode == 0 ? 0 : 1;
}
