/*
 * trt_api.h - NVIDIA's TensorRT from C: its library found and loaded, its objects called by slot.
 *
 * TensorRT's interface is C++, but its public classes are thin: an object is {table,
 * implementation} and every function of it calls one through the table of its implementation, whose
 * order the headers give (class apiv::V... of NvInferImpl.h). So a function is a slot number, which
 * differs between four flavours of the library; a wrong one calls another function, and nothing in
 * the library refuses it. Therefore a flavour is told by the library's name and version, and a
 * version whose headers were not compared is refused (trt_library.c has the list).
 *
 * How a function is called (Itanium C++ ABI): the implementation is the first argument; a struct of
 * more than 16 bytes comes back as C returns it.
 *     slot of apiv::VBuilder::getNbDLACores: 7 in TensorRT 8.6 (the destructor takes 0 and 1)
 *     n = ((int32_t(*)(void *))trt_slot(builder, 7))(trt_impl(builder));
 *
 * No header of TensorRT is needed. The library is never closed again: it has threads of its own.
 *
 * Threads: loading is safe from several at once; an object belongs to one at a time.
 */
#ifndef TARE_TENSORRT_TRT_API_H
#define TARE_TENSORRT_TRT_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "tare/status.h"

enum trt_flavour {
    TRT_8_6, /* libnvinfer.so.8 */
    TRT_10,  /* libnvinfer.so.10 */
    TRT_11,  /* libnvinfer.so.11 */
    TRT_RTX, /* TensorRT for RTX 1.7: libtensorrt_rtx.so.1 */
};
#define TRT_FLAVOURS 4

#define TRT_LACKS (-1) /* a slot that a flavour does not have */

struct trt_library {
    void *handle;
    char path[FILE_MAX_PATH]; /* as the loader found it */
    int32_t version;          /* as getInferLibVersion: 8601, 101601, 110100, 10701 (RTX) */
    int32_t major, minor, patch;
    enum trt_flavour flavour;
    char text[24]; /* "10.16.1" */
    char name[48]; /* "TensorRT 10.16.1", "TensorRT for RTX 1.7.1" */
};

/* Which flavours will do, for trt_library_load_any(). */
#define TRT_BIT(flavour) (1u << (flavour))
#define TRT_ANY          (TRT_BIT(TRT_8_6) | TRT_BIT(TRT_10) | TRT_BIT(TRT_11) | TRT_BIT(TRT_RTX))

/*
 * Loads the library at path. NULL: the file that TARE_TENSORRT names, else the newest of
 * libnvinfer.so.11, .10, .8 and libtensorrt_rtx.so.1 that the dynamic linker finds, else that
 * cuda_find() finds. TARE_ABSENT: there is none, and how to get one; TARE_BROKEN:
 * it cannot be loaded, or its version has no table: "cannot use 'libnvinfer.so.9': TensorRT 9.3.0,
 * need 8.6, 10.0 to 10.16, ...". Fills *library on success.
 */
enum tare_status trt_library_load(const char *path, struct trt_library *library,
                                  struct tare_err *err);

/* The same for certain flavours (TRT_BIT); one named by path or TARE_TENSORRT that is of another is
 * refused, a search passes over it. */
enum tare_status trt_library_load_any(const char *path, unsigned flavours,
                                      struct trt_library *library, struct tare_err *err);

/*
 * What version a library of this file name and getInferLibVersion() has; fills in all but handle
 * and path. TARE_BROKEN if there is no table for it.
 */
enum tare_status trt_library_identify(const char *file_name, int32_t version,
                                      struct trt_library *library, struct tare_err *err);

/* "TensorRT 8.6", "TensorRT 10", "TensorRT 11", "TensorRT for RTX" */
const char *trt_flavour_name(enum trt_flavour flavour);

/* A symbol of the library. TARE_BROKEN, naming it, if it is not there. function: a pointer to a
 * function pointer. */
enum tare_status trt_library_symbol(const struct trt_library *library, const char *symbol,
                                    void *function, struct tare_err *err);

/* --- objects -----------------------------------------------------------------------------------
 */

typedef void (*trt_function)(void);

/* The implementation of an object {table, implementation}: its functions' first argument. */
void *trt_impl(const void *object);

/* The function in a slot of an object's implementation. */
trt_function trt_slot(const void *object, int slot);

/* The function in a slot of an object that is its own implementation (the ONNX parser), or of the
 * public class. */
trt_function trt_own_slot(const void *object, int slot);

/* delete object; NULL is allowed. Not for the parser, whose destructor lies elsewhere. */
void trt_delete(void *object);

/* --- slot tables --- */

/* One function: its slot in each flavour, TRT_LACKS where it is not there. */
struct trt_row {
    const char *interface; /* "VBuilder", as NvInferImpl.h names it; "IParser" */
    const char *function;  /* "createBuilderConfig" */
    int16_t slot[TRT_FLAVOURS];
};

/* --- enumerations that differ between no versions ------------------------------------------------
 */

enum trt_type { /* nvinfer1::DataType */
    TRT_FLOAT = 0,
    TRT_HALF = 1,
    TRT_INT8 = 2,
    TRT_INT32 = 3,
    TRT_BOOL = 4,
    TRT_UINT8 = 5,
    TRT_FP8 = 6,
    TRT_BF16 = 7,  /* from 10 on */
    TRT_INT64 = 8, /* from 10 on */
    TRT_INT4 = 9,  /* from 10 on */
};

/* "FP32", "FP16", "INT8"; "type 12" for one that has no name here is "?". */
const char *trt_type_name(int32_t type);

#define TRT_MAX_DIMS 8

struct trt_dims32 { /* nvinfer1::Dims of TensorRT 8 */
    int32_t count;
    int32_t d[TRT_MAX_DIMS];
};

struct trt_dims64 { /* nvinfer1::Dims of all others */
    int32_t count;
    int64_t d[TRT_MAX_DIMS];
};

/* --- what TensorRT says (trt_logger.c) -----------------------------------------------------------
 */

enum trt_severity { /* ILogger::Severity */
    TRT_INTERNAL_ERROR = 0,
    TRT_ERROR = 1,
    TRT_WARNING = 2,
    TRT_INFO = 3,
    TRT_VERBOSE = 4,
};

struct trt_logger;

/* An ILogger of a flavour: collects errors and warnings, and hands every message to say (NULL:
 * none), which may be called by several threads, one at a time. On success trt_logger_free() it
 * after all that was made with it. */
enum tare_status trt_logger_new(enum trt_flavour flavour,
                                void (*say)(enum trt_severity severity, const char *text,
                                            void *data),
                                void *data, struct trt_logger **logger, struct tare_err *err);
void trt_logger_free(struct trt_logger *logger);

/* What TensorRT takes: an ILogger *. */
void *trt_logger_object(struct trt_logger *logger);

/* The first errors that TensorRT reported since the last trt_logger_clear(), on one line, or else
 * its last warning; "it says nothing" if neither. Returns text. */
const char *trt_logger_said(struct trt_logger *logger, char *text, size_t text_bytes);

/* TensorRT has no error numbers: that memory ran out is in its words only. */
bool trt_speaks_of_memory(const char *said);
size_t trt_logger_errors(struct trt_logger *logger);
void trt_logger_clear(struct trt_logger *logger);

#endif
