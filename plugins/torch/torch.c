/*
 * torch.c - PyTorch on a YOLOv8 checkpoint: the modules of python/yolov8_reference.py in a child
 * process over shared memory, on the processor or on an NVIDIA GPU, eager, compiled or as a CUDA
 * graph. Everything but the options and the device is the python plugin's.
 */
#include "../python/python_session.h"

static const struct tare_option_info torch_options[] = {
    {"head", "which outputs: raw, or full with the decode", TARE_OPTION_CHOICE, "raw", 0, 0,
     "raw|full"},
    {"imgsz", "side of the square input, a multiple of 32", TARE_OPTION_INT, "640", 32, 8192, NULL},
    {"compile", "torch.compile's mode; needs a C++ compiler, on a GPU Triton and a C compiler",
     TARE_OPTION_CHOICE, "off", 0, 0, "off|default|reduce-overhead|max-autotune"},
    {"cuda_graph", "GPU: record the launches once, a run replays them", TARE_OPTION_BOOL, "0", 0, 1,
     NULL},
    {"tf32", "GPU: multiply fp32 with 10 bits of mantissa, which is then named tf32",
     TARE_OPTION_BOOL, "0", 0, 1, NULL},
    {"cudnn_benchmark", "GPU: let cuDNN try its algorithms at the start and take the fastest",
     TARE_OPTION_BOOL, "0", 0, 1, NULL},
    {"pinned", "GPU: pin the memory that inputs and outputs are copied from and to",
     TARE_OPTION_BOOL, "1", 0, 1, NULL},
    {"fuse", "fold batch normalisation into the convolutions", TARE_OPTION_BOOL, "1", 0, 1, NULL},
    {"channels_last", "keep tensors as N, H, W, C in memory", TARE_OPTION_BOOL, "0", 0, 1, NULL},
    {"autocast", "reach bf16 by torch.autocast instead of bf16 weights", TARE_OPTION_BOOL, "0", 0,
     1, NULL},
    {"spinning", "whether idle threads spin between runs", TARE_OPTION_CHOICE, "default", 0, 0,
     "default|off"},
    {"emulate", "run bf16 on a processor that has no arithmetic for it, slowly", TARE_OPTION_BOOL,
     "0", 0, 1, NULL},
    {"python", "interpreter (default: found)", TARE_OPTION_TEXT, "", 0, 0, NULL},
    {"timeout_s", "the longest that opening or a run may take", TARE_OPTION_INT, "300", 1, 86400,
     NULL},
    {0},
};

static enum tare_status torch_probe(char *note, size_t note_bytes, struct tare_err *err)
{
    static const struct python_package package = {"torch", NULL, "'tools/setup torch' or "};

    return python_session_probe(&package, note, note_bytes, err);
}

static bool is_gpu(const char *device)
{
    size_t digits = strncmp(device, "cuda:", 5) == 0 ? strspn(device + 5, "0123456789") : 0;

    return digits > 0 && digits < 5 && device[5 + digits] == '\0';
}

static enum tare_status torch_open(const struct tare_open_options *options,
                                   struct tare_session **session, struct tare_open_report *report,
                                   struct tare_err *err)
{
    *session = NULL;
    if (strcmp(options->device, "cpu") != 0 && !is_gpu(options->device))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "the torch runtime cannot use device '%.40s', need cpu or cuda:N",
                         options->device);
    if (strcmp(options->precision, "int8") == 0) /* at once: importing PyTorch takes seconds */
        return tare_fail(err, TARE_UNSUPPORTED,
                         "PyTorch has no int8 of its own any more: its quantiser (PT2E for x86) "
                         "left torch for the package torchao, which is not used here: need fp32, "
                         "bf16 or fp16, or 'tare quantize' and another runtime");
    return python_session_open(options, torch_options, "torch", session, report, err);
}

TARE_EXPORT const struct tare_backend *tare_backend_entry(void);

const struct tare_backend *tare_backend_entry(void)
{
    static const struct tare_backend backend = {
        .abi_major = TARE_BACKEND_ABI_MAJOR,
        .abi_minor = TARE_BACKEND_ABI_MINOR,
        .struct_size = sizeof(struct tare_backend),
        .capabilities = TARE_CAP_TIMING | TARE_CAP_PYTHON | TARE_CAP_CONVERTS,
        .name = "torch",
        .summary =
            "PyTorch on a YOLOv8 checkpoint, eager, compiled or a CUDA graph, in a child process",
        .options = torch_options,
        .probe = torch_probe,
        .open = torch_open,
        .close = python_session_close,
        .describe = python_session_describe,
        .bind = python_session_bind,
        .run = python_session_run,
        .bound_shape = python_session_bound_shape,
        .allocate = python_session_allocate,
    };

    return &backend;
}
