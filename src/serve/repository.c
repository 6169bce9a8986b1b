#include "serve/repository.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_tree.h"
#include "base/json_write.h"
#include "base/printable.h"
#include "base/tree.h"
#include "serve/repository_models.h"
#include "serve/repository_values.h"

#define TEMPLATES    "triton_repo"
#define TEMPLATE_MAX ((size_t)1 << 20)
#define FILES_MAX    64

static const char *const template_suffixes[] = {".py", NULL};

struct render {
    struct repository_options options; /* settled */
    struct raw_head head;
    struct repository_values values;
    bool chosen[REPOSITORY_MODELS_MAX];
    char templates[FILE_MAX_PATH]; /* triton_repo/ */
    char folder[FILE_MAX_PATH];    /* that is filled; "": none yet */
    char files[FILES_MAX][100];    /* what was written, below the folder */
    size_t file_count;
    struct repository_summary summary;
};

/* --- one file -----------------------------------------------------------------------------------
 */

/* Where a file of the repository goes; it is noted for the mark, and its folder made. */
static enum tare_status place_file(struct render *render, const char *name, char *path,
                                   struct tare_err *err)
{
    enum tare_status status = file_join(path, FILE_MAX_PATH, render->folder, name, err);
    char *slash;

    if (status != TARE_OK)
        return status;
    if (render->file_count == FILES_MAX || strlen(name) >= sizeof(render->files[0]))
        return tare_fail(err, TARE_LIMIT, "'%s' is one file too many", name);
    (void)snprintf(render->files[render->file_count++], sizeof(render->files[0]), "%s", name);
    slash = strrchr(path, '/');
    *slash = '\0';
    status = file_make_dirs(path, err);
    *slash = '/';
    return status;
}

/* The target's own template where it has one, otherwise that of all targets. */
static enum tare_status find_template(const struct render *render, const char *name, char *path,
                                      struct tare_err *err)
{
    const char *const folders[] = {render->options.target, "common"};

    for (size_t i = 0; i < 2; i++)
        if (snprintf(path, FILE_MAX_PATH, "%s/%s/%s", render->templates, folders[i], name) <
                FILE_MAX_PATH &&
            file_exists(path))
            return TARE_OK;
    return tare_fail(err, TARE_ABSENT, "no template '%s' in '%s'", name, render->templates);
}

static enum tare_status write_filled(struct render *render, const char *name, struct tare_err *err)
{
    char from[FILE_MAX_PATH], to[FILE_MAX_PATH], *text = NULL;
    struct tare_err cause = TARE_ERR_INIT;
    struct buf out;
    size_t size;
    enum tare_status status = find_template(render, name, from, err);

    buf_init(&out, TEMPLATE_MAX);
    if (status == TARE_OK)
        status = file_read(from, TEMPLATE_MAX, &text, &size, err);
    if (status == TARE_OK && template_fill(text, render->values.values, &out, &cause) != TARE_OK)
        status = tare_fail(err, cause.status, "the template '%s': %s", from, cause.text);
    if (status == TARE_OK)
        status = place_file(render, name, to, err);
    if (status == TARE_OK)
        status = file_write(to, out.data, out.size, err);
    buf_release(&out);
    free(text);
    return status;
}

/* What the templates have for a model's version folder, such as a program in Python, as it is. */
static enum tare_status copy_version(struct render *render, const char *model, struct tare_err *err)
{
    char folder[100], name[100], from[FILE_MAX_PATH], to[FILE_MAX_PATH], **names = NULL;
    size_t count = 0;
    enum tare_status status = TARE_OK;

    (void)snprintf(folder, sizeof(folder), "%s/1", model);
    if (find_template(render, folder, from, NULL) != TARE_OK)
        return TARE_OK;
    status = file_list(from, template_suffixes, &names, &count, err);
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        (void)snprintf(name, sizeof(name), "%.40s/%.50s", folder, names[i]);
        status = find_template(render, name, from, err);
        if (status == TARE_OK)
            status = place_file(render, name, to, err);
        if (status == TARE_OK)
            status = tree_copy_file(from, to, err);
    }
    file_free_names(names, count);
    return status;
}

/* A copy each: a file that is replaced in place for one model must not change another. */
static enum tare_status copy_onnx(struct render *render, const char *name, struct tare_err *err)
{
    char path[FILE_MAX_PATH];
    enum tare_status status = place_file(render, name, path, err);

    return status == TARE_OK ? tree_copy_file(render->options.model_path, path, err) : status;
}

/* --- one model ----------------------------------------------------------------------------------
 */

/* Triton wants a folder of a version even where there is nothing to put in it. */
static enum tare_status make_version(const struct render *render, const char *model,
                                     struct tare_err *err)
{
    char path[FILE_MAX_PATH];
    int length = snprintf(path, sizeof(path), "%s/%s/1", render->folder, model);

    if (length < 0 || (size_t)length >= sizeof(path))
        return tare_fail(err, TARE_LIMIT, "path of %d bytes is too long", length);
    return file_make_dirs(path, err);
}

static enum tare_status render_model(struct render *render, const struct repository_model *model,
                                     struct tare_err *err)
{
    bool plan = strcmp(model->name, "yolov8") == 0 && repository_has_plan(render->options.target);
    enum tare_status status = make_version(render, model->name, err);
    char name[100];

    (void)snprintf(name, sizeof(name), "%s/config.pbtxt", model->name);
    if (status == TARE_OK)
        status = write_filled(render, name, err);
    if (status == TARE_OK)
        status = copy_version(render, model->name, err);
    if (status == TARE_OK && model->has_graph) {
        (void)snprintf(name, sizeof(name), "%s/%smodel.onnx", model->name, plan ? "" : "1/");
        status = copy_onnx(render, name, err);
    }
    render->summary.models[render->summary.model_count++] = model->name;
    return status;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static bool is_chosen(const struct render *render, const char *name)
{
    for (size_t i = 0; repository_models[i].name; i++)
        if (strcmp(repository_models[i].name, name) == 0)
            return render->chosen[i];
    return false;
}

/* A file that only the target can make, and the README's place for the command that makes it. */
static void set_missing(struct render *render, const char *value, const char *path, bool needed,
                        const char *command)
{
    repository_set_value(&render->values, value, "%s", needed ? command : "");
    if (needed) {
        struct repository_missing *missing =
            &render->summary.missing[render->summary.missing_count++];

        (void)snprintf(missing->path, sizeof(missing->path), "%s", path);
        (void)snprintf(missing->command, sizeof(missing->command), "%s", command);
    }
}

static void list_missing(struct render *render)
{
    static const char plan[] = "yolov8/1/model.plan", dali[] = "preprocess/1/model.dali";
    const struct repository_options *o = &render->options;
    char command[300];

    (void)snprintf(command, sizeof(command),
                   "tare plan yolov8/model.onnx --precision %s --max-batch %lld -o %s",
                   o->precision, (long long)o->max_batch, plan);
    set_missing(render, "PLAN_COMMAND", plan,
                repository_has_plan(o->target) && is_chosen(render, "yolov8"), command);
    (void)snprintf(command, sizeof(command), "python3 preprocess/1/dali.py --device gpu -o %s",
                   dali);
    set_missing(render, "DALI_COMMAND", dali,
                repository_has_dali(o->target) && is_chosen(render, "preprocess"), command);
}

static enum tare_status write_mark(struct render *render, struct tare_err *err)
{
    char sha256[65], path[FILE_MAX_PATH];
    struct json_writer json;
    struct buf out;
    enum tare_status status = file_sha256(render->options.model_path, sha256, err);

    buf_init(&out, 1 << 20);
    if (status == TARE_OK)
        status = place_file(render, REPOSITORY_MARK, path, err);
    if (status != TARE_OK)
        return status;
    json_start(&json, &out, true);
    json_open_object(&json, NULL);
    json_put_text(&json, "made_by", "tare repo");
    json_put_text(&json, "version", render->options.version);
    json_put_text(&json, "target", render->options.target);
    json_put_text(&json, "source", render->options.source);
    json_put_text(&json, "model_sha256", sha256);
    json_open_array(&json, "files");
    for (size_t i = 0; i < render->file_count; i++)
        json_put_text(&json, NULL, render->files[i]);
    json_close_array(&json);
    json_close_object(&json);
    buf_append_char(&out, '\n');
    status = buf_status(&out, "the repository's mark", err);
    if (status == TARE_OK)
        status = file_write(path, out.data, out.size, err);
    buf_release(&out);
    return status;
}

static void set_readme_values(struct render *render, const char *dir)
{
    char models[REPOSITORY_VALUE_TEXT] = "", source[200], name[200];
    size_t used = 0;

    for (size_t i = 0; i < render->summary.model_count; i++)
        used += (size_t)snprintf(models + used, sizeof(models) - used, "- `%s`\n",
                                 render->summary.models[i]);
    (void)snprintf(source, sizeof(source), "%s", file_base_name(render->options.source));
    (void)snprintf(name, sizeof(name), "%s", file_base_name(dir));
    printable_line(source);
    printable_line(name);
    repository_set_value(&render->values, "MODELS", "%s", models);
    repository_set_value(&render->values, "SOURCE", "%s", source);
    repository_set_value(&render->values, "NAME", "%s", name[0] ? name : ".");
}

static enum tare_status render_all(struct render *render, const char *dir, struct tare_err *err)
{
    enum tare_status status = tree_beside(render->folder, sizeof(render->folder), dir, err);

    repository_set_values(&render->options, &render->head, &render->values);
    for (size_t i = 0; repository_models[i].name && status == TARE_OK; i++)
        if (render->chosen[i])
            status = render_model(render, &repository_models[i], err);
    list_missing(render);
    set_readme_values(render, dir);
    if (status == TARE_OK)
        status = write_filled(render, "README.md", err);
    if (status == TARE_OK)
        status = write_mark(render, err);
    if (status == TARE_OK)
        status = tree_replace(render->folder, dir, err);
    if (status != TARE_OK && render->folder[0])
        (void)tree_remove(render->folder, NULL);
    return status;
}

/* --- what is there already ----------------------------------------------------------------------
 */

static enum tare_status read_mark(const char *dir, struct json_tree **mark, struct tare_err *err)
{
    char path[FILE_MAX_PATH], *text = NULL;
    size_t size;
    enum tare_status status = file_join(path, sizeof(path), dir, REPOSITORY_MARK, err);

    *mark = NULL;
    if (status == TARE_OK)
        status = file_read(path, TEMPLATE_MAX, &text, &size, err);
    if (status == TARE_OK)
        status = json_parse(text, size, mark, err);
    free(text);
    return status;
}

static bool is_mark(const struct json_tree *mark)
{
    return strcmp(json_text(json_get(json_root(mark), "made_by"), ""), "tare repo") == 0;
}

bool repository_is_rendered(const char *dir)
{
    struct json_tree *mark = NULL;
    bool rendered = read_mark(dir, &mark, NULL) == TARE_OK && is_mark(mark);

    json_free(mark);
    return rendered;
}

struct strays {
    const struct json_value *files;
    char first[200]; /* "": none */
};

/* Python writes its own beside a model.py that was served. */
static bool visit_file(const char *name, void *context)
{
    struct strays *strays = context;

    if (strstr(name, "/__pycache__/"))
        return true;
    for (size_t i = 0; i < json_count(strays->files); i++)
        if (strcmp(json_text(json_at(strays->files, i), ""), name) == 0)
            return true;
    (void)snprintf(strays->first, sizeof(strays->first), "%s", name);
    return false;
}

static bool see_anything(const char *name, void *context)
{
    (void)name;
    *(bool *)context = true;
    return false;
}

/* A folder without a file in it is as good as none. */
static enum tare_status check_empty(const char *dir, struct tare_err *err)
{
    bool any = false;
    enum tare_status status = tree_walk(dir, see_anything, &any, err);

    if (status == TARE_OK && any)
        status = tare_fail(err, TARE_FAILED,
                           "'%s' is not a repository that tare rendered; name another folder, or "
                           "--force to replace it with all in it",
                           dir);
    return status;
}

/* Whether dir may be replaced: what is in it would be lost. */
static enum tare_status check_target(const char *dir, bool force, struct tare_err *err)
{
    struct json_tree *mark = NULL;
    struct strays strays = {NULL, ""};
    enum tare_status status;

    if (!file_exists(dir))
        return TARE_OK;
    if (!file_is_dir(dir))
        return tare_fail(err, TARE_FAILED, "'%s' is not a folder", dir);
    if (force)
        return TARE_OK;
    if (read_mark(dir, &mark, NULL) != TARE_OK || !is_mark(mark)) {
        json_free(mark);
        return check_empty(dir, err);
    }
    strays.files = json_get(json_root(mark), "files");
    status = tree_walk(dir, visit_file, &strays, err);
    if (status == TARE_OK && strays.first[0])
        status = tare_fail(err, TARE_FAILED,
                           "'%s/%s' was not written by tare and would be lost; move it away, or "
                           "--force",
                           dir, strays.first);
    json_free(mark);
    return status;
}

enum tare_status repository_render(const struct repository_options *options, const char *dir,
                                   struct repository_summary *summary, struct tare_err *err)
{
    struct render *render = calloc(1, sizeof(*render));
    enum tare_status status;
    char home[FILE_MAX_PATH];

    if (!render)
        return tare_fail(err, TARE_NOMEM, "out of memory for a repository");
    status = repository_choose(options->models, render->chosen, err);
    if (status == TARE_OK)
        status = raw_head_read(options->model_path, &render->head, err);
    if (status == TARE_OK)
        status = repository_settle(options, &render->head, &render->options, err);
    if (status == TARE_OK)
        status = file_home(home, sizeof(home), err);
    if (status == TARE_OK)
        status = file_join(render->templates, sizeof(render->templates), home, TEMPLATES, err);
    if (status == TARE_OK)
        status = check_target(dir, options->force, err);
    if (status == TARE_OK)
        status = render_all(render, dir, err);
    if (status == TARE_OK && summary)
        *summary = render->summary;
    free(render);
    return status;
}
