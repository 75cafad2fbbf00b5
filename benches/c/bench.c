/* Implements bench.h. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench.h"

enum { MOST_TRIES = 20 };

double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

long preemptions(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

double undisturbed(double (*round)(void *), void *argument)
{
    double came_to;
    long before;
    int tries = 0;

    do {
        before = preemptions();
        came_to = round(argument);
    } while (preemptions() != before && ++tries < MOST_TRIES);
    return came_to;
}

void say_bench(const char *id, double ns)
{
    printf("{\"bench\": \"%s\", \"ns\": %.3f}\n", id, ns);
}

void say_fact(const char *id, double value)
{
    printf("{\"fact\": \"%s\", \"value\": %.3f}\n", id, value);
}

void fail(const char *what, const char *why)
{
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

long long floor_copy(char *to, const char *from, size_t size)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    memcpy(to, from, size);
    return now.tv_sec;
}

char **read_lines(const char *path, size_t *count)
{
    FILE *file = fopen(path, "r");
    char **lines = NULL, line[512];
    size_t used = 0;

    if (file == NULL)
        fail(path, "cannot be read");
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if ((used & (used + 1)) == 0)
            lines = realloc(lines, (2 * used + 2) * sizeof *lines);
        if (lines == NULL || (lines[used] = malloc(strlen(line) + 1)) == NULL)
            fail(path, "no memory");
        strcpy(lines[used++], line);
        lines[used] = NULL;
    }
    fclose(file);
    if (used == 0)
        fail(path, "is empty");
    *count = used;
    return lines;
}
