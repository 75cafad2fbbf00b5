/* The simulator, through its control API. */
#define _XOPEN_SOURCE 700
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

const char *simulator(const char *variable)
{
    const char *value = getenv(variable);
    if (value == NULL)
        fatal(variable, "is not set: run this under `wechat-sim exec -- …`, as `make -C tests/c` does");
    return value;
}

/* One request to the simulator's control address; the answer must be a 200. */
static void ask(const char *method, const char *path, const char *body, char *reply, size_t cap)
{
    char host[64], port[8], head[512];
    struct addrinfo hints, *found;
    size_t got = 0;
    ssize_t n;
    int fd;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (sscanf(simulator("WXSIM_CONTROL"), "http://%63[^:]:%7[0-9]", host, port) != 2 ||
        getaddrinfo(host, port, &hints, &found) != 0)
        fatal("WXSIM_CONTROL", "is no http://host:port");
    snprintf(head, sizeof head, "%s %s HTTP/1.0\r\nHost: %s\r\nContent-Length: %zu\r\n\r\n", method, path, host,
             strlen(body));
    fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0 || write(fd, head, strlen(head)) < 0 ||
        write(fd, body, strlen(body)) < 0)
        fatal("WXSIM_CONTROL", "the simulator does not answer");
    while ((n = read(fd, reply + got, cap - 1 - got)) > 0)
        got += (size_t)n;
    reply[got] = '\0';
    close(fd);
    freeaddrinfo(found);
    if (strstr(reply, " 200 ") == NULL)
        fatal(path, reply);
}

void sim_post(const char *path, const char *format, ...)
{
    char body[2048], reply[4096];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(body, sizeof body, format, arguments);
    va_end(arguments);
    ask("POST", path, body, reply, sizeof reply);
}

void sim_fault(const struct place *place, const char *fields)
{
    sim_post("/faults", "{\"id\":\"%s\",%s}", place->id, fields);
}

long sim_count(const char *id, const char *field)
{
    char path[128], reply[4096], key[64];
    const char *at;
    int depth = 0;

    snprintf(path, sizeof path, "/counters?id=%s", id);
    ask("GET", path, "", reply, sizeof reply);
    snprintf(key, sizeof key, "\"%s\":", field);
    /* Finds the object's own field, not one of a nested object. */
    for (at = strchr(reply, '{'); at != NULL && *at != '\0'; at++) {
        depth += (*at == '{') - (*at == '}');
        if (depth == 1 && strncmp(at, key, strlen(key)) == 0)
            return atol(at + strlen(key));
    }
    fatal(field, reply);
    return 0;
}

int sim_takes(const char *id, const char *token)
{
    char path[128], reply[8192], entry[1200];

    snprintf(path, sizeof path, "/tokens?id=%s", id);
    ask("GET", path, "", reply, sizeof reply);
    snprintf(entry, sizeof entry, "\"token\":\"%s\",\"valid\":true", token);
    return strstr(reply, entry) != NULL;
}
