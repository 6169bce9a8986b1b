/*
 * cuda_find.h - where NVIDIA's libraries lie on this machine. Nothing is loaded.
 *
 * A library is looked for where its own variable says and, without one, by its file names, the
 * first of them everywhere before the second: in the folders of LD_LIBRARY_PATH, in this
 * installation's packages (.deps), in those of $TARE_PYTHON, $VIRTUAL_ENV and each python3 on PATH
 * (into which PyTorch brings the libraries), in the user's own (~/.local), in the CUDA toolkit's
 * folders and in the system's.
 *
 * Threads: no shared state.
 */
#ifndef TARE_CUDA_CUDA_FIND_H
#define TARE_CUDA_CUDA_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "tare/status.h"

struct cuda_library {
    const char *name;          /* "cuBLASLt" */
    const char *variable;      /* "TARE_CUBLASLT"; NULL: none */
    bool beside;               /* the variable names another file of the library's folder */
    const char *const *files;  /* names, best first, NULL-terminated; '*' stands for any text */
    const char *const *wheels; /* folders below site-packages, NULL-terminated */
};

/* cuBLASLt of the CUDA versions that the driver can run: 13000 is CUDA 13.0. */
const struct cuda_library *cuda_library_cublaslt(int driver_version);
const struct cuda_library *cuda_library_cudnn(void);
const struct cuda_library *cuda_library_tensorrt(void);
const struct cuda_library *cuda_library_ort_provider(void); /* ONNX Runtime's CUDA provider */

/* path gets the file. TARE_ABSENT, saying what was looked for and how to name one. */
enum tare_status cuda_find(const struct cuda_library *library, char *path, size_t path_bytes,
                           struct tare_err *err);

#endif
