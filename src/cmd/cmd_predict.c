/*
 * cmd_predict.c - tare predict: what a model sees in one picture, as a table or JSON, and drawn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_write.h"
#include "cmd/command.h"
#include "cmd/predict_model.h"
#include "vision/draw.h"
#include "vision/jpeg.h"

#define OUTPUT_QUALITY 92
#define DEFAULT_MODEL  "data/yolov8n.pt"

struct args {
    const char *output, *model, *runtime, *options, *device, *precision;
    double min_score, iou;
    int64_t threads;
    bool json;
};

static const struct option_info table[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "FILE.jpg",
     .help = "write the picture with the boxes drawn",
     .offset = offsetof(struct args, output)},
    {.name = "model",
     .letter = 'm',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "an ONNX model or a YOLOv8 checkpoint (.pt)",
     .fallback = "the YOLOv8n in tare's own data/",
     .offset = offsetof(struct args, model)},
    {.name = "runtime",
     .kind = OPTION_TEXT,
     .value = "NAME",
     .help = "what executes the model; 'tare doctor' lists them",
     .fallback = "onnxruntime",
     .offset = offsetof(struct args, runtime)},
    {.name = "options",
     .kind = OPTION_TEXT,
     .value = "LIST",
     .help = "the runtime's own options: name=value,name=value",
     .offset = offsetof(struct args, options)},
    {.name = "device",
     .kind = OPTION_TEXT,
     .value = "NAME",
     .help = "where the model runs",
     .fallback = "cpu",
     .offset = offsetof(struct args, device)},
    {.name = "precision",
     .kind = OPTION_TEXT,
     .value = "NAME",
     .help = "what the model is asked to run in",
     .fallback = "fp32",
     .offset = offsetof(struct args, precision)},
    {.name = "min-score",
     .kind = OPTION_NUMBER,
     .value = "X",
     .help = "leave out boxes with a lower score",
     .fallback = "0.25",
     .min = 0.0001,
     .max = 1,
     .offset = offsetof(struct args, min_score)},
    {.name = "iou",
     .kind = OPTION_NUMBER,
     .value = "X",
     .help = "of two boxes of a class that overlap by more, the better one stays",
     .fallback = "0.7",
     .min = 0.0001,
     .max = 1,
     .offset = offsetof(struct args, iou)},
    {.name = "threads",
     .kind = OPTION_INT,
     .value = "N",
     .help = "threads of the runtime",
     .fallback = "its own choice",
     .min = 1,
     .max = 1024,
     .offset = offsetof(struct args, threads)},
    {.name = "json",
     .kind = OPTION_FLAG,
     .help = "print JSON",
     .offset = offsetof(struct args, json)},
    {0},
};

static const struct options_usage usage = {
    .command = "predict",
    .operands = "PICTURE.jpg",
    .summary = "show what a model sees in a picture",
    .details = "Boxes are in pixels of the picture as it is shown, best score first.",
};

struct prediction {
    const char *path, *model, *runtime;
    int32_t width, height;
    const struct box *boxes; // (count)
    size_t count;
    const struct class_names *names;
    struct family_stages stages;
    int64_t infer_ns;
};

/* "class 7" where the model has no name for it. */
static const char *name_of(const struct prediction *p, int32_t class_id, char *text, size_t bytes)
{
    (void)snprintf(text, bytes, "%s", class_names_get(p->names, class_id));
    if (!text[0])
        (void)snprintf(text, bytes, "class %d", class_id);
    return text;
}

static void print_text(const struct prediction *p)
{
    char name[100];

    (void)printf("%s: %zu box%s\n", p->path, p->count, p->count == 1 ? "" : "es");
    if (p->count > 0)
        (void)printf("  score  class                 x1      y1      x2      y2\n");
    for (size_t i = 0; i < p->count; i++) {
        const struct box *b = &p->boxes[i];

        (void)printf("  %5.3f  %-16s %7.1f %7.1f %7.1f %7.1f\n", (double)b->score,
                     name_of(p, b->class_id, name, sizeof(name)), (double)b->x1, (double)b->y1,
                     (double)b->x2, (double)b->y2);
    }
}

/* A float as the shortest decimal that reads back to it, so that JSON is not full of noise. */
static double shortest(float value)
{
    char text[40];
    int digits = 6;

    do
        (void)snprintf(text, sizeof(text), "%.*g", digits, (double)value);
    while (strtof(text, NULL) != value && digits++ < 9);
    return strtod(text, NULL);
}

static void put_boxes(struct json_writer *json, const struct prediction *p)
{
    char name[100];

    json_open_array(json, "boxes");
    for (size_t i = 0; i < p->count; i++) {
        const struct box *b = &p->boxes[i];

        json_open_object(json, NULL);
        json_put_text(json, "class", name_of(p, b->class_id, name, sizeof(name)));
        json_put_int(json, "class_id", b->class_id);
        json_put_number(json, "score", shortest(b->score));
        json_put_number(json, "x1", shortest(b->x1));
        json_put_number(json, "y1", shortest(b->y1));
        json_put_number(json, "x2", shortest(b->x2));
        json_put_number(json, "y2", shortest(b->y2));
        json_close_object(json);
    }
    json_close_array(json);
}

static enum tare_status print_json(const struct prediction *p, struct tare_err *err)
{
    struct buf buf = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    json_start(&json, &buf, true);
    json_open_object(&json, NULL);
    json_put_text(&json, "picture", p->path);
    json_put_int(&json, "width", p->width);
    json_put_int(&json, "height", p->height);
    json_put_text(&json, "model", p->model);
    json_put_text(&json, "runtime", p->runtime);
    json_put_int(&json, "decode_ns", p->stages.decode_ns);
    json_put_int(&json, "letterbox_ns", p->stages.letterbox_ns);
    json_put_int(&json, "infer_ns", p->infer_ns);
    json_put_int(&json, "boxes_ns", p->stages.boxes_ns);
    put_boxes(&json, p);
    json_close_object(&json);
    status = buf_status(&buf, "the prediction", err);
    if (status == TARE_OK)
        (void)puts(buf_text(&buf));
    buf_release(&buf);
    return status;
}

/* Worst first, so that the best lie on top. */
static void draw_boxes(const struct prediction *p, struct picture *picture)
{
    for (size_t i = p->count; i-- > 0;) {
        char name[100], label[120];

        (void)snprintf(label, sizeof(label), "%s %.2f",
                       name_of(p, p->boxes[i].class_id, name, sizeof(name)),
                       (double)p->boxes[i].score);
        draw_box(picture, &p->boxes[i], label);
    }
}

static enum tare_status write_picture(const struct prediction *p, struct picture *picture,
                                      const char *output, struct tare_err *err)
{
    struct buf file = BUF_INIT;
    enum tare_status status;

    draw_boxes(p, picture);
    status = jpeg_write(picture, OUTPUT_QUALITY, &file, err);
    if (status == TARE_OK)
        status = file_write(output, file.data, file.size, err);
    buf_release(&file);
    return status;
}

static enum tare_status run(struct predict_model *model, const struct file_map *jpeg,
                            struct prediction *p, struct tare_err *err)
{
    enum tare_status status =
        model->family->load(model->state, jpeg->data, jpeg->size, 0, &p->stages, err);
    int64_t start_ns = clock_now_ns();

    if (status == TARE_OK)
        status = backend_session_run(model->session, NULL, NULL, err);
    p->infer_ns = clock_now_ns() - start_ns;
    if (status == TARE_OK)
        status = model->family->boxes(model->state, 0, &p->boxes, &p->count, &p->stages, err);
    p->names = model->names;
    return status;
}

/* The picture is decoded before the model is opened, so that a broken one costs no waiting. */
static enum tare_status predict(const struct args *args, const struct predict_options *options,
                                const char *path, struct tare_err *err)
{
    struct prediction p = {.path = path, .model = options->model, .runtime = options->runtime};
    struct predict_model model = {0};
    struct jpeg_decoder *decoder = NULL;
    struct file_map jpeg = {0};
    struct picture picture = {0};
    struct tare_err cause = TARE_ERR_INIT;
    enum tare_status status = file_map(path, JPEG_MAX_FILE_BYTES, &jpeg, err);

    if (status == TARE_OK)
        status = jpeg_decoder_new(&decoder, err);
    if (status == TARE_OK &&
        jpeg_decoder_read(decoder, jpeg.data, jpeg.size, &picture, &cause) != TARE_OK)
        status = tare_fail(err, cause.status, "'%s': %s", path, cause.text);
    p.width = picture.width;
    p.height = picture.height;
    if (status == TARE_OK)
        status = predict_model_open(options, &model, err);
    if (status == TARE_OK)
        status = run(&model, &jpeg, &p, err);
    if (status == TARE_OK && args->output)
        status = write_picture(&p, &picture, args->output, err);
    if (status == TARE_OK && args->json)
        status = print_json(&p, err);
    else if (status == TARE_OK && !(args->output && strcmp(args->output, "-") == 0))
        print_text(&p);
    predict_model_close(&model);
    jpeg_decoder_free(decoder);
    file_unmap(&jpeg);
    return status;
}

/* --model, or the checkpoint that comes with tare. */
static enum tare_status find_model(const char *given, char *path, size_t bytes,
                                   struct tare_err *err)
{
    char home[FILE_MAX_PATH];
    enum tare_status status;

    if (given)
        return snprintf(path, bytes, "%s", given) < (int)bytes
                   ? TARE_OK
                   : tare_fail(err, TARE_LIMIT, "path of the model is too long");
    status = file_home(home, sizeof(home), err);
    if (status == TARE_OK)
        status = file_join(path, bytes, home, DEFAULT_MODEL, err);
    if (status == TARE_OK && !file_exists(path))
        status = tare_fail(err, TARE_ABSENT, "no '%s': name a model with --model", path);
    return status;
}

int cmd_predict(int argc, char **argv)
{
    struct args args = {.runtime = "onnxruntime", .min_score = 0.25, .iou = 0.7};
    struct options_result result = {0};
    struct predict_options options = {0};
    struct tare_err err = TARE_ERR_INIT;
    char model[FILE_MAX_PATH];
    enum tare_status status;
    int exit_code;

    if (!command_parse(table, &usage, argc, argv, &args, &result, &exit_code))
        return exit_code;
    if (result.operand_count != 1)
        return command_usage("predict", "need one picture, got %zu", result.operand_count);
    if (args.json && args.output && strcmp(args.output, "-") == 0)
        return command_usage("predict", "--json and the picture cannot both go to standard output");
    options.model = model;
    options.runtime = args.runtime;
    options.options = args.options;
    options.device = args.device;
    options.precision = args.precision;
    options.threads = (int32_t)args.threads;
    options.family.min_score = (float)args.min_score;
    options.family.iou = (float)args.iou;
    status = find_model(args.model, model, sizeof(model), &err);
    if (status == TARE_OK)
        status = predict(&args, &options, result.operands[0], &err);
    exit_code = status == TARE_OK ? EXIT_OK : command_fail("predict", &err);
    return command_finish("predict", exit_code);
}
