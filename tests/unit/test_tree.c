#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/tree.h"

static char root[FILE_MAX_PATH];

static const char *in(const char *name)
{
    static char paths[4][FILE_MAX_PATH];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, FILE_MAX_PATH, "%.2000s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text)
{
    CHECK_OK(file_write(in(name), text, strlen(text), err));
}

static bool count_file(const char *name, void *context)
{
    (void)name;
    return ++*(int *)context < 100;
}

static void makes_a_folder_of_its_own(void)
{
    char a[FILE_MAX_PATH], b[FILE_MAX_PATH], tiny[8];
    struct tare_err cause = TARE_ERR_INIT;
    struct stat info;

    CHECK_OK(tree_temporary(a, sizeof(a), "tare-unit", err));
    CHECK_OK(tree_temporary(b, sizeof(b), "tare-unit", err));
    CHECK(strcmp(a, b) != 0);
    CHECK(stat(a, &info) == 0 && (info.st_mode & 0777) == 0700);
    CHECK_OK(tree_remove(a, err));
    CHECK_OK(tree_remove(b, err));
    CHECK(!file_exists(a));
    CHECK(tree_temporary(tiny, sizeof(tiny), "tare-unit", &cause) == TARE_LIMIT);
}

/* As if it were an hour old. */
static void age(const char *path)
{
    const struct timespec times[2] = {{time(NULL) - 3600, 0}, {time(NULL) - 3600, 0}};

    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

static void sweeps_what_nobody_holds(void)
{
    char held[FILE_MAX_PATH], left[FILE_MAX_PATH], fresh[FILE_MAX_PATH], last[FILE_MAX_PATH];
    int held_fd, left_fd, fresh_fd, last_fd;

    CHECK(setenv("TMPDIR", root, 1) == 0);
    CHECK_OK(tree_temporary_held(held, sizeof(held), "x", &held_fd, err));
    CHECK_OK(tree_temporary_held(left, sizeof(left), "x", &left_fd, err));
    CHECK_OK(tree_temporary_held(fresh, sizeof(fresh), "x", &fresh_fd, err));
    CHECK_OK(file_make_dirs(in("x-y-longer"), err));
    CHECK(close(left_fd) == 0 && close(fresh_fd) == 0);
    age(held);
    age(left);
    age(in("x-y-longer"));
    CHECK_OK(tree_temporary_held(last, sizeof(last), "x", &last_fd, err));
    CHECK(file_exists(held) && !file_exists(left));
    CHECK(file_exists(fresh) && file_exists(in("x-y-longer")) && file_exists(last));
    CHECK(close(held_fd) == 0 && close(last_fd) == 0);
    CHECK(unsetenv("TMPDIR") == 0);
}

static void replaces_a_folder_with_all_in_it(void)
{
    char path[FILE_MAX_PATH];

    CHECK_OK(file_make_dirs(in("old/deep"), err));
    put("old/deep/file", "old");
    CHECK_OK(tree_beside(path, sizeof(path), in("old/"), err));
    CHECK(strncmp(path, in("old."), strlen(in("old."))) == 0);
    (void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/new");
    CHECK_OK(file_write(path, "new", 3, err));
    *strrchr(path, '/') = '\0';
    CHECK_OK(tree_replace(path, in("old"), err));
    CHECK(!file_exists(path));
    CHECK(file_exists(in("old/new")));
    CHECK(!file_exists(in("old/deep")));
}

static void makes_the_parents(void)
{
    char path[FILE_MAX_PATH];

    CHECK_OK(tree_beside(path, sizeof(path), in("a/b/c"), err));
    CHECK_OK(tree_replace(path, in("a/b/c"), err));
    CHECK(file_is_dir(in("a/b/c")));
}

static void follows_no_links(void)
{
    struct tare_err cause = TARE_ERR_INIT;
    int files = 0;

    CHECK_OK(file_make_dirs(in("kept"), err));
    put("kept/file", "precious");
    CHECK_OK(file_make_dirs(in("gone"), err));
    CHECK(symlink(in("kept"), in("gone/link")) == 0);
    CHECK_OK(tree_walk(in("gone"), count_file, &files, err));
    CHECK(files == 1);
    CHECK_OK(tree_remove(in("gone"), err));
    CHECK(!file_exists(in("gone")));
    CHECK(file_exists(in("kept/file")));
    CHECK_OK(tree_remove(in("gone"), err));
    CHECK(tree_walk(in("gone"), count_file, &files, &cause) == TARE_ABSENT);
}

static void does_not_replace_a_file(void)
{
    char path[FILE_MAX_PATH];
    struct tare_err cause = TARE_ERR_INIT;

    put("file", "text");
    CHECK_OK(tree_beside(path, sizeof(path), in("file"), err));
    CHECK(tree_replace(path, in("file"), &cause) == TARE_IO);
    CHECK(file_exists(in("file")) && file_is_dir(path));
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"makes_a_folder_of_its_own", makes_a_folder_of_its_own},
        {"sweeps_what_nobody_holds", sweeps_what_nobody_holds},
        {"replaces_a_folder_with_all_in_it", replaces_a_folder_with_all_in_it},
        {"makes_the_parents", makes_the_parents},
        {"follows_no_links", follows_no_links},
        {"does_not_replace_a_file", does_not_replace_a_file},
        {NULL, NULL},
    };
    int status;

    if (tree_temporary(root, sizeof(root), "tare-unit", NULL) != TARE_OK)
        return 1;
    status = check_main("tree", cases, argc, argv);
    (void)tree_remove(root, NULL);
    return status;
}
