/* The first token of a new process, through the library and through SQLite alone, from a store of one account and of
 * many. Runs the two programs in turns. Reports the time that they measured, and that of the whole process.
 *
 *     fresh FIRST_GET FIRST_SELECT  STORE NAME APPID  STORE_OF_MANY NAME APPID  BASE_URL
 */
#define _POSIX_C_SOURCE 200809L
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { ROUNDS = 200 };

extern char **environ;

static void start(const char *id, char *program, char *a, char *b, char *c)
{
    char *argv[] = {program, a, b, c, NULL}, text[64], whole[64];
    posix_spawn_file_actions_t actions;
    double began = now_ns();
    int ends[2], status;
    ssize_t got;
    pid_t child;

    if (pipe(ends) || posix_spawn_file_actions_init(&actions) ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1) ||
        posix_spawn_file_actions_addclose(&actions, ends[0]) ||
        posix_spawn(&child, program, &actions, NULL, argv, environ))
        fail(program, "cannot be started");
    close(ends[1]);
    got = read(ends[0], text, sizeof text - 1);
    if (waitpid(child, &status, 0) != child || status != 0 || got <= 0)
        fail(program, "failed");
    snprintf(whole, sizeof whole, "%s-process", id);
    say_bench(whole, now_ns() - began);
    text[got] = '\0';
    say_bench(id, atof(text));
    close(ends[0]);
    posix_spawn_file_actions_destroy(&actions);
}

int main(int argc, char **argv)
{
    int i;
    if (argc != 10)
        fail("fresh", "FIRST_GET FIRST_SELECT  STORE NAME APPID  STORE_OF_MANY NAME APPID  BASE_URL");
    for (i = 0; i < ROUNDS; i++) {
        start("first-get", argv[1], argv[3], argv[4], NULL);
        start("first-select", argv[2], argv[3], argv[9], argv[5]);
        start("first-get-of-many", argv[1], argv[6], argv[7], NULL);
        start("first-select-of-many", argv[2], argv[6], argv[9], argv[8]);
    }
    return 0;
}
