/* The whole C API against the simulator, in one process. Stories that fork or unload the library are separate
 * programs. Runs all stories, or the named ones. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stories.h"

/* Longer than all stories take under valgrind. A hang is ended by the alarm, and so becomes visible. */
enum { GUARD_S = 300 };

int main(int argc, char **argv)
{
    alarm(GUARD_S);
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* Each story sets the environment that the library reads. */
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
