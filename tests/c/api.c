/* The whole C API against the simulator, in one process. What forks and what unloads the library are programs of their
 * own. Runs all stories, or those that are named. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stories.h"

/* Longer than all stories take under valgrind: what hangs is ended, and so seen. */
enum { GUARD_S = 300 };

int main(int argc, char **argv)
{
    alarm(GUARD_S);
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* What the library reads from the environment is each story's business. */
    unsetenv("WXTOKEN_STORE");
    unsetenv("WXTOKEN_LOG");
    unsetenv("WXTOKEN_API_BASE_URL");
    unsetenv("WXTOKEN_WORK_BASE_URL");
#define RUN_IF_WANTED(story)           \
    if (is_wanted(#story, argc, argv)) \
        RUN(story);
    STORIES(RUN_IF_WANTED)
    return finish();
}
