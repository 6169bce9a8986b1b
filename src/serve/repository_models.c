#include "serve/repository_models.h"

#include <string.h>

#include "base/buf.h"

const struct repository_model repository_models[] = {
    {"preprocess", false, ""},
    {"yolov8", true, ""},
    {"nms", false, ""},
    {"nms_python", false, ""},
    {"yolov8_ensemble", false, "preprocess,yolov8,nms"},
    {"yolov8_ensemble_python", false, "preprocess,yolov8,nms_python"},
    {"yolov8_fused", true, ""},
    {NULL, false, ""},
};

static enum tare_status no_such_model(const char *name, size_t length, struct tare_err *err)
{
    struct buf names;
    enum tare_status status;

    buf_init(&names, 1000);
    for (const struct repository_model *m = repository_models; m->name; m++)
        buf_printf(&names, "%s%s", m == repository_models ? "" : ", ", m->name);
    status = tare_fail(err, TARE_INVALID, "no model '%.*s' in the repository; there are %s",
                       (int)(length < 60 ? length : 60), name, buf_text(&names));
    buf_release(&names);
    return status;
}

/* Lists nest one level: what an ensemble goes through uses nothing itself. */
static enum tare_status choose_one(const char *name, size_t length, bool *chosen,
                                   struct tare_err *err)
{
    for (size_t i = 0; repository_models[i].name; i++) {
        const struct repository_model *model = &repository_models[i];

        if (strlen(model->name) != length || memcmp(model->name, name, length) != 0)
            continue;
        chosen[i] = true;
        return model->uses[0] ? repository_choose(model->uses, chosen, err) : TARE_OK;
    }
    return no_such_model(name, length, err);
}

enum tare_status repository_choose(const char *list, bool *chosen, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    if (!list) {
        for (size_t i = 0; repository_models[i].name; i++)
            chosen[i] = true;
        return TARE_OK;
    }
    do {
        size_t length = strcspn(list, ",");

        status = choose_one(list, length, chosen, err);
        list += length + (list[length] == ',');
    } while (status == TARE_OK && *list);
    return status;
}
