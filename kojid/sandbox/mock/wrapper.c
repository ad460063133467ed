/* The set-uid root door to kojid's stand-in for mock: what userhelper is to mock itself.
 *
 * Lets root and the members of group mock in, tells the stand-in who called, and hands nothing of the caller's
 * environment on but a few harmless words. PYTHON, MODULES and CACHE are set when it is compiled.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NO_PRIVILEGE = 2, GROUPS = 1024 };

static const char start[] =
    "import sys; sys.path.insert(0, '" MODULES "'); "
    "from kojid.sandbox.mock.__main__ import main; sys.exit(main(sys.argv[1:]))";

static int may_enter(uid_t uid)
{
    struct group *mock = getgrnam("mock");
    gid_t groups[GROUPS];
    int count, i;

    if (uid == 0)
        return 1;
    if (mock == NULL || (count = getgroups(GROUPS, groups)) < 0)
        return 0;
    if (getgid() == mock->gr_gid)
        return 1;
    for (i = 0; i < count; i++)
        if (groups[i] == mock->gr_gid)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const kept[] = { "TERM", "LANG", "LC_ALL", NULL };
    const char *values[3];
    const char *named = getenv("SUDO_UID");
    uid_t uid = getuid();
    char caller[32];
    char **words;
    int i;

    if (!may_enter(uid)) {
        fprintf(stderr, "mock: only root and members of group mock may use this\n");
        return NO_PRIVILEGE;
    }
    if (uid == 0 && named != NULL)
        snprintf(caller, sizeof caller, "%s", named);
    else
        snprintf(caller, sizeof caller, "%u", (unsigned) uid);
    for (i = 0; kept[i] != NULL; i++)
        values[i] = getenv(kept[i]);
    words = calloc((size_t) argc + 8, sizeof *words);
    if (words == NULL || clearenv() != 0)
        return 1;
    for (i = 0; kept[i] != NULL; i++)
        if (values[i] != NULL)
            setenv(kept[i], values[i], 1);
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("HOME", "/root", 1);
    setenv("USERHELPER_UID", caller, 1);
    if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) {
        fprintf(stderr, "mock: can't become root: %s\n", strerror(errno));
        return NO_PRIVILEGE;
    }
    words[0] = (char *) PYTHON;
    words[1] = (char *) "-I";
    words[2] = (char *) "-X";
    words[3] = (char *) "pycache_prefix=" CACHE;
    words[4] = (char *) "-c";
    words[5] = (char *) start;
    for (i = 1; i < argc; i++)
        words[5 + i] = argv[i];
    execv(PYTHON, words);
    fprintf(stderr, "mock: can't start %s: %s\n", PYTHON, strerror(errno));
    return 1;
}
