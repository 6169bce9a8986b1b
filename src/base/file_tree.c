#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

struct tree {
    const char *dir;
    char **paths;
    size_t count;
};

static enum tare_status add_file(struct tree *tree, const char *path, struct tare_err *err)
{
    char **grown;

    if (tree->count == FILE_TREE_MAX)
        return tare_fail(err, TARE_LIMIT, "'%s' holds more than %d files", tree->dir,
                         FILE_TREE_MAX);
    grown = realloc(tree->paths, (tree->count + 1) * sizeof(*grown));
    if (grown) {
        tree->paths = grown;
        grown[tree->count] = strdup(path);
    }
    if (!grown || !grown[tree->count])
        return tare_fail(err, TARE_NOMEM, "out of memory for a list of files");
    tree->count++;
    return TARE_OK;
}

static bool is_skipped(const char *name)
{
    return name[0] == '.' || strcmp(name, "__pycache__") == 0;
}

/* Adds what lies below "dir/below"; below is "" at the top. */
static enum tare_status walk(struct tree *tree, const char *below, int depth, struct tare_err *err)
{
    char **names = NULL, folder[FILE_MAX_PATH];
    size_t count = 0;
    enum tare_status status = file_join(folder, sizeof(folder), tree->dir, below, err);

    if (depth == FILE_TREE_DEPTH)
        return tare_fail(err, TARE_LIMIT, "'%s' has folders more than %d deep", tree->dir,
                         FILE_TREE_DEPTH);
    if (status == TARE_OK)
        status = file_list(folder, NULL, &names, &count, err);
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        char path[FILE_MAX_PATH], name[FILE_MAX_PATH];
        struct stat info;

        if (is_skipped(names[i]))
            continue;
        status = file_join(path, sizeof(path), folder, names[i], err);
        if (status == TARE_OK && below[0])
            status = file_join(name, sizeof(name), below, names[i], err);
        else
            (void)snprintf(name, sizeof(name), "%s", names[i]);
        if (status != TARE_OK || stat(path, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode))
            status = walk(tree, name, depth + 1, err);
        else if (S_ISREG(info.st_mode))
            status = add_file(tree, name, err);
    }
    file_free_names(names, count);
    return status;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum tare_status file_tree(const char *dir, char ***paths, size_t *count, struct tare_err *err)
{
    struct tree tree = {dir, NULL, 0};
    enum tare_status status = walk(&tree, "", 0, err);

    if (status != TARE_OK) {
        file_free_names(tree.paths, tree.count);
        tree = (struct tree){dir, NULL, 0};
    }
    if (tree.count > 1)
        qsort(tree.paths, tree.count, sizeof(*tree.paths), compare);
    *paths = tree.paths;
    *count = tree.count;
    return status;
}
