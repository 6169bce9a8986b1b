/*
 * cmd_eval.c - tare eval: COCO box AP of a model or a detection file, and whether two of them
 * differ.
 */
#include <inttypes.h>
#include <stdio.h>

#include "accuracy/coco.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/stop.h"
#include "cmd/command.h"
#include "cmd/eval_agreement.h"
#include "cmd/eval_model.h"

struct args {
    const char *annotations, *detections, *against;
    const char *model, *images, *runtime, *options, *device, *precision, *output;
    const char *against_runtime;
    int64_t resamples, seed, threads, batch, size;
    bool classes, json, quiet;
};

/* A detection file, or a model, and what it came to. */
struct scored {
    const char *path;
    char runtime_version[64]; /* "" for a detection file */
    struct coco_detections *detections;
    struct coco_result result;
};

static const struct option_info table[] = {
    {.name = "annotations",
     .letter = 'a',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "COCO annotations (JSON)",
     .offset = offsetof(struct args, annotations)},
    {.name = "detections",
     .letter = 'd',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "COCO results (JSON): image_id, category_id, bbox, score",
     .offset = offsetof(struct args, detections)},
    {.name = "against",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "results to compare with; without annotations, a reference model",
     .offset = offsetof(struct args, against)},
    {.name = "against-runtime",
     .kind = OPTION_TEXT,
     .value = "NAME",
     .help = "what runs the reference model, in FP32",
     .fallback = "onnxruntime",
     .offset = offsetof(struct args, against_runtime)},
    {.name = "images",
     .letter = 'i',
     .kind = OPTION_TEXT,
     .value = "DIR",
     .help = "the annotated pictures, for a model; all of a folder without annotations",
     .offset = offsetof(struct args, images)},
    {.name = "runtime",
     .letter = 'r',
     .kind = OPTION_TEXT,
     .value = "NAME",
     .help = "what runs the model",
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
    {.name = "batch",
     .kind = OPTION_INT,
     .value = "N",
     .help = "pictures a run, for a model with an open batch",
     .fallback = "1",
     .min = 1,
     .max = 1024,
     .offset = offsetof(struct args, batch)},
    {.name = "size",
     .kind = OPTION_INT,
     .value = "N",
     .help = "input height and width, where the model leaves them open",
     .fallback = "640",
     .min = 32,
     .max = 8192,
     .offset = offsetof(struct args, size)},
    {.name = "detections-out",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "write the model's detections as COCO results",
     .offset = offsetof(struct args, output)},
    {.name = "resamples",
     .kind = OPTION_INT,
     .value = "N",
     .help = "of the paired bootstrap over pictures",
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .offset = offsetof(struct args, resamples)},
    {.name = "seed",
     .kind = OPTION_INT,
     .value = "N",
     .help = "of the bootstrap",
     .fallback = "0",
     .min = 0,
     .max = 999999999,
     .offset = offsetof(struct args, seed)},
    {.name = "threads",
     .kind = OPTION_INT,
     .value = "N",
     .help = "threads",
     .fallback = "one a core; a model: its runtime decides",
     .min = 1,
     .max = 16,
     .offset = offsetof(struct args, threads)},
    {.name = "classes",
     .kind = OPTION_FLAG,
     .help = "AP of each class too",
     .offset = offsetof(struct args, classes)},
    {.name = "json",
     .kind = OPTION_FLAG,
     .help = "print JSON",
     .offset = offsetof(struct args, json)},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_FLAG,
     .help = "show no progress",
     .offset = offsetof(struct args, quiet)},
    {0},
};

static const struct options_usage usage = {
    .command = "eval",
    .operands = "[MODEL]",
    .summary = "COCO box AP of a model or of a detection file; agreement of two models",
    .details =
        "The figures are those of pycocotools 2.0.11, to the last bit; -1 (here '-') stands\n"
        "where no annotated box is. The interval of a difference comes from drawing the\n"
        "pictures anew, the same for both files; a difference whose interval holds 0 is not\n"
        "resolved by these pictures.\n\n"
        "MODEL --against REFERENCE --images DIR needs no annotations: it says how far the model\n"
        "agrees with its reference (SQNR of each head, boxes found again, AP against the\n"
        "reference's boxes), which resolves what AP on some hundred pictures cannot.",
};

static const struct {
    const char *name, *what;
} rows[COCO_FIGURES] = {
    {"AP", "IoU 0.50 to 0.95"},
    {"AP50", "IoU 0.50"},
    {"AP75", "IoU 0.75"},
    {"AP small", "under 32 x 32 pixels"},
    {"AP medium", "32 x 32 to 96 x 96"},
    {"AP large", "over 96 x 96"},
    {"AR 1", "recall, best 1 of a picture and class"},
    {"AR 10", "recall, best 10"},
    {"AR 100", "recall, best 100"},
    {"AR small", "recall, under 32 x 32 pixels"},
    {"AR medium", "recall, 32 x 32 to 96 x 96"},
    {"AR large", "recall, over 96 x 96"},
};

static void put_figure(double figure)
{
    if (figure < 0)
        (void)printf("  %8s", "-");
    else
        (void)printf("  %8.4f", figure);
}

static void put_interval(const struct coco_interval *interval, size_t pictures)
{
    (void)printf("  %+8.4f  %+8.4f .. %+.4f", interval->difference, interval->low, interval->high);
    if (!interval->resolved)
        (void)printf("  not resolved at n = %zu", pictures);
}

static void print_classes(const struct coco_dataset *dataset, const struct coco_result *result,
                          const struct coco_result *against)
{
    char name[200];

    (void)printf("\n%-20s  %8s  %8s  %8s  %8s  %8s%s\n", "class", "boxes", "AP", "AP50", "AP75",
                 "AR 100", against ? "  against" : "");
    for (size_t k = 0; k < result->class_count; k++) {
        const struct coco_class_result *class = &result->classes[k];

        (void)snprintf(name, sizeof(name), "%s", coco_category(dataset, k)->name);
        printable_line(name);
        (void)printf("%-20s  %8zu", name, class->boxes);
        put_figure(class->ap);
        put_figure(class->ap50);
        put_figure(class->ap75);
        put_figure(class->ar100);
        if (against)
            put_figure(against->classes[k].ap);
        (void)putchar('\n');
    }
}

static void print_text(const struct coco_dataset *dataset, const struct scored *scored,
                       const struct scored *against, const struct coco_difference *difference,
                       const struct args *args)
{
    const struct coco_result *result = &scored->result;

    (void)printf("%zu pictures, %zu boxes, %zu detections\n\n", result->pictures, result->boxes,
                 result->detections);
    if (against->path)
        (void)printf("%-10s  %8s  %8s  %8s  95 %% interval (%d resamples)\n", "", "this", "against",
                     "diff", difference->resamples);
    for (int f = 0; f < COCO_FIGURES; f++) {
        (void)printf("%-10s", rows[f].name);
        put_figure(result->figures[f]);
        if (!against->path) {
            (void)printf("  %s\n", rows[f].what);
            continue;
        }
        put_figure(against->result.figures[f]);
        if (f <= COCO_AP75 && result->figures[f] >= 0)
            put_interval(f == COCO_AP     ? &difference->ap
                         : f == COCO_AP50 ? &difference->ap50
                                          : &difference->ap75,
                         difference->pictures);
        (void)putchar('\n');
    }
    if (args->classes)
        print_classes(dataset, result, against->path ? &against->result : NULL);
}

static void put_json_result(struct json_writer *json, const struct coco_dataset *dataset,
                            const struct scored *scored, bool classes)
{
    const struct coco_result *result = &scored->result;

    json_put_text(json, scored->runtime_version[0] ? "model" : "file", scored->path);
    if (scored->runtime_version[0])
        json_put_text(json, "runtime", scored->runtime_version);
    json_put_int(json, "detections", (int64_t)result->detections);
    json_open_object(json, "figures");
    for (int f = 0; f < COCO_FIGURES; f++)
        json_put_number(json, coco_figure_key((enum coco_figure)f), result->figures[f]);
    json_close_object(json);
    if (!classes)
        return;
    json_open_array(json, "classes");
    for (size_t k = 0; k < result->class_count; k++) {
        const struct coco_class_result *class = &result->classes[k];

        json_open_object(json, NULL);
        json_put_int(json, "id", class->category_id);
        json_put_text(json, "name", coco_category(dataset, k)->name);
        json_put_int(json, "boxes", (int64_t) class->boxes);
        json_put_int(json, "pictures", (int64_t) class->pictures);
        json_put_number(json, "ap", class->ap);
        json_put_number(json, "ap50", class->ap50);
        json_put_number(json, "ap75", class->ap75);
        json_put_number(json, "ar100", class->ar100);
        json_close_object(json);
    }
    json_close_array(json);
}

static void put_json_interval(struct json_writer *json, const char *key,
                              const struct coco_interval *interval)
{
    json_open_object(json, key);
    json_put_number(json, "difference", interval->difference);
    json_put_number(json, "low", interval->low);
    json_put_number(json, "high", interval->high);
    json_put_number(json, "deviation", interval->deviation);
    json_put_bool(json, "resolved", interval->resolved);
    json_close_object(json);
}

static enum tare_status print_json(const struct coco_dataset *dataset, const struct scored *scored,
                                   const struct scored *against,
                                   const struct coco_difference *difference,
                                   const struct args *args, struct tare_err *err)
{
    struct buf out = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    json_start(&json, &out, true);
    json_open_object(&json, NULL);
    json_put_text(&json, "annotations", args->annotations);
    json_put_int(&json, "pictures", (int64_t)scored->result.pictures);
    json_put_int(&json, "boxes", (int64_t)scored->result.boxes);
    put_json_result(&json, dataset, scored, args->classes);
    if (against->path) {
        json_open_object(&json, "against");
        put_json_result(&json, dataset, against, args->classes);
        json_close_object(&json);
        json_open_object(&json, "difference");
        json_put_int(&json, "resamples", difference->resamples);
        json_put_int(&json, "seed", args->seed);
        put_json_interval(&json, "ap", &difference->ap);
        put_json_interval(&json, "ap50", &difference->ap50);
        put_json_interval(&json, "ap75", &difference->ap75);
        json_close_object(&json);
    }
    json_close_object(&json);
    buf_append_char(&out, '\n');
    status = buf_status(&out, "the result", err);
    if (status == TARE_OK)
        (void)fputs(buf_text(&out), stdout);
    buf_release(&out);
    return status;
}

static struct eval_model model_of(const struct args *args)
{
    return (struct eval_model){
        .model = args->model,
        .images = args->images,
        .runtime = args->runtime,
        .options = args->options,
        .device = args->device,
        .precision = args->precision,
        .threads = (int32_t)args->threads,
        .batch = (int32_t)args->batch,
        .size = (int32_t)args->size,
        .quiet = args->quiet,
    };
}

static enum tare_status run_model(const struct coco_dataset *dataset, struct scored *scored,
                                  const struct args *args, struct tare_err *err)
{
    const struct eval_model run = model_of(args);

    /* Only here: scoring takes seconds, and does not look at the flag. */
    stop_install();
    return eval_run_model(&run, dataset, &scored->detections, scored->runtime_version, err);
}

static enum tare_status score(const struct coco_dataset *dataset, struct scored *scored,
                              const struct args *args, struct tare_err *err)
{
    struct coco_options options = {.threads = (int)args->threads};
    enum tare_status status;

    if (scored->path == args->model)
        status = run_model(dataset, scored, args, err);
    else
        status = coco_detections_load(scored->path, options.threads, &scored->detections, err);
    if (status == TARE_OK)
        status = coco_evaluate(dataset, scored->detections, &options, &scored->result, err);
    if (status != TARE_OK)
        return status;
    if (scored->result.left_out)
        log_warn("'%s': %zu detections of classes that the annotations do not list were left out",
                 scored->path, scored->result.left_out);
    return TARE_OK;
}

/* Scores one or both; difference is filled for both. */
static enum tare_status score_all(const struct coco_dataset *dataset, struct scored *scored,
                                  struct scored *against, struct coco_difference *difference,
                                  const struct args *args, struct tare_err *err)
{
    struct coco_compare_options options = {.resamples = (int)args->resamples,
                                           .seed = (uint64_t)args->seed,
                                           .threads = (int)args->threads};
    enum tare_status status = TARE_OK;

    if (coco_annotations_left_out(dataset))
        log_warn("'%s': %zu annotations of pictures or classes that it does not list were left out",
                 args->annotations, coco_annotations_left_out(dataset));
    if (against->path) /* the quick one first, in case it is broken */
        status = score(dataset, against, args, err);
    if (status == TARE_OK)
        status = score(dataset, scored, args, err);
    if (status == TARE_OK && against->path)
        status = coco_compare(&scored->result, &against->result, &options, difference, err);
    return status;
}

static enum tare_status evaluate(const struct args *args, struct tare_err *err)
{
    struct scored scored = {.path = args->model ? args->model : args->detections};
    struct scored against = {.path = args->against};
    struct coco_difference difference = {0};
    struct coco_dataset *dataset = NULL;
    enum tare_status status = coco_dataset_load(args->annotations, &dataset, err);

    if (status == TARE_OK)
        status = score_all(dataset, &scored, &against, &difference, args, err);
    if (status == TARE_OK && args->json)
        status = print_json(dataset, &scored, &against, &difference, args, err);
    else if (status == TARE_OK)
        print_text(dataset, &scored, &against, &difference, args);
    /* after the figures, so that a full disk does not take them too */
    if (status == TARE_OK && args->output)
        status = coco_detections_save(scored.detections, args->output, err);
    coco_result_release(&scored.result);
    coco_result_release(&against.result);
    coco_detections_free(scored.detections);
    coco_detections_free(against.detections);
    coco_dataset_free(dataset);
    return status;
}

static enum tare_status compare_models(const struct args *args, struct tare_err *err)
{
    const struct eval_model model = model_of(args);
    const struct eval_agreement agreement = {
        .model = &model,
        .reference = args->against,
        .reference_runtime = args->against_runtime,
        .resamples = (int)args->resamples,
        .seed = (uint64_t)args->seed,
    };

    stop_install();
    return eval_agree(&agreement, args->json, err);
}

static int check_agreement_usage(const struct args *args)
{
    if (!args->images)
        return command_usage("eval", "a model --against another needs --images DIR");
    if (args->classes || args->output || args->detections)
        return command_usage("eval", "--%s needs --annotations FILE",
                             args->classes  ? "classes"
                             : args->output ? "detections-out"
                                            : "detections");
    return EXIT_OK;
}

static int check_usage(struct args *args, const struct options_result *result)
{
    if (result->operand_count > 1)
        return command_usage("eval", "unexpected operand '%s'", result->operands[1]);
    args->model = result->operand_count ? result->operands[0] : NULL;
    if (args->model && args->against && !args->annotations)
        return check_agreement_usage(args);
    if (!args->annotations)
        return command_usage("eval", "needs --annotations FILE");
    if (!args->model == !args->detections)
        return command_usage("eval", "needs a model or --detections FILE, one of the two");
    if (!args->model != !args->images)
        return command_usage("eval", "a model and --images DIR go together");
    if (args->output && !args->model)
        return command_usage("eval", "--detections-out is for a model");
    return EXIT_OK;
}

int cmd_eval(int argc, char **argv)
{
    struct args args = {
        .runtime = "onnxruntime", .against_runtime = "onnxruntime", .resamples = 1000};
    struct options_result result;
    struct tare_err err = TARE_ERR_INIT;
    int exit_code;

    if (!command_parse(table, &usage, argc, argv, &args, &result, &exit_code))
        return exit_code;
    exit_code = check_usage(&args, &result);
    if (exit_code != EXIT_OK)
        return exit_code;
    if ((args.annotations ? evaluate(&args, &err) : compare_models(&args, &err)) != TARE_OK) {
        (void)fflush(stdout);
        return command_fail("eval", &err);
    }
    return command_finish("eval", EXIT_OK);
}
