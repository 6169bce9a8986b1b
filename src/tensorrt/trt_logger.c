/* What TensorRT says, kept for messages. Its logger is an object of ours with a C++ table. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorrt/trt_api.h"
#include "tensorrt/trt_interface.h"

#define KEPT_ERRORS 3

struct trt_logger {
    const trt_function *table; /* first: this is an ILogger */
    void (*say)(enum trt_severity severity, const char *text, void *data);
    void *data;
    pthread_mutex_t lock;
    size_t errors;
    char error[KEPT_ERRORS][300];
    char warning[300];
};

/* One line of printable text: messages go into tare's own, and their text is a library's. */
static void keep(char *text, size_t text_bytes, const char *message)
{
    size_t length = 0;

    for (; *message && length + 1 < text_bytes; message++) {
        unsigned char byte = (unsigned char)*message;

        if (byte >= ' ' && byte < 0x7f)
            text[length++] = (char)byte;
        else if (length > 0 && text[length - 1] != ' ')
            text[length++] = ' ';
    }
    while (length > 0 && text[length - 1] == ' ')
        length--;
    text[length] = '\0';
}

/* void log(Severity, char const *) */
static void log_message(void *self, int32_t severity, const char *message)
{
    struct trt_logger *logger = self;

    if (!message)
        return;
    (void)pthread_mutex_lock(&logger->lock);
    if (severity <= TRT_ERROR) {
        if (logger->errors < KEPT_ERRORS)
            keep(logger->error[logger->errors], sizeof(logger->error[0]), message);
        logger->errors++;
    } else if (severity == TRT_WARNING) {
        keep(logger->warning, sizeof(logger->warning), message);
    }
    if (logger->say)
        logger->say((enum trt_severity)severity, message, logger->data);
    (void)pthread_mutex_unlock(&logger->lock);
}

static struct trt_interface_info interface_info(void *self)
{
    const struct trt_interface_info info = {"ILogger", 1, 0};

    (void)self;
    return info;
}

/* ILogger: {log, ~, ~} until 10; from 11 on it is an IVersionedInterface. */
static const trt_function table_until_10[] = {
    (trt_function)log_message,
    (trt_function)trt_interface_drop,
    (trt_function)trt_interface_drop,
};
static const trt_function table_from_11[] = {
    (trt_function)trt_interface_language,
    (trt_function)interface_info,
    (trt_function)trt_interface_drop,
    (trt_function)trt_interface_drop,
    (trt_function)log_message,
};

enum tare_status trt_logger_new(enum trt_flavour flavour,
                                void (*say)(enum trt_severity severity, const char *text,
                                            void *data),
                                void *data, struct trt_logger **logger, struct tare_err *err)
{
    struct trt_logger *made = calloc(1, sizeof(*made));

    *logger = NULL;
    if (!made)
        return tare_fail(err, TARE_NOMEM, "out of memory for a logger");
    made->table = flavour == TRT_8_6 || flavour == TRT_10 ? table_until_10 : table_from_11;
    made->say = say;
    made->data = data;
    (void)pthread_mutex_init(&made->lock, NULL);
    *logger = made;
    return TARE_OK;
}

void trt_logger_free(struct trt_logger *logger)
{
    if (!logger)
        return;
    (void)pthread_mutex_destroy(&logger->lock);
    free(logger);
}

void *trt_logger_object(struct trt_logger *logger)
{
    return logger;
}

const char *trt_logger_said(struct trt_logger *logger, char *text, size_t text_bytes)
{
    size_t kept, length = 0;

    (void)pthread_mutex_lock(&logger->lock);
    kept = logger->errors < KEPT_ERRORS ? logger->errors : KEPT_ERRORS;
    if (kept == 0)
        (void)snprintf(text, text_bytes, "%s",
                       logger->warning[0] ? logger->warning : "it says nothing");
    for (size_t i = 0; i < kept && length < text_bytes; i++) {
        int written =
            snprintf(text + length, text_bytes - length, "%s%s", i ? "; " : "", logger->error[i]);

        length += written > 0 ? (size_t)written : 0;
    }
    (void)pthread_mutex_unlock(&logger->lock);
    return text;
}

size_t trt_logger_errors(struct trt_logger *logger)
{
    size_t errors;

    (void)pthread_mutex_lock(&logger->lock);
    errors = logger->errors;
    (void)pthread_mutex_unlock(&logger->lock);
    return errors;
}

void trt_logger_clear(struct trt_logger *logger)
{
    (void)pthread_mutex_lock(&logger->lock);
    logger->errors = 0;
    logger->warning[0] = '\0';
    (void)pthread_mutex_unlock(&logger->lock);
}

bool trt_speaks_of_memory(const char *said)
{
    static const char *const words[] = {"out of memory", "Out of memory", "OutOfMemory",
                                        "OUT_OF_MEMORY", "could not be allocated"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(said, words[i]))
            return true;
    return false;
}
