/*
 * checkpoint.h - a .pt file as torch.save() writes it: an archive whose entry data.pkl describes
 * the objects and whose entries data/0, data/1, ... hold the tensors' elements.
 *
 * Threads: a checkpoint is immutable once open.
 */
#ifndef TARE_EXPORT_CHECKPOINT_H
#define TARE_EXPORT_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/pickle.h"
#include "tare/status.h"
#include "tare/tensor.h"

struct checkpoint;

/* A tensor's elements in the file: dense, row-major, little-endian, not necessarily aligned. */
struct checkpoint_view {
    const uint8_t *data; // (count) elements of dtype
    enum tare_dtype dtype;
    int64_t count;
    int32_t rank;
    int64_t shape[PICKLE_MAX_RANK];
};

/*
 * Maps and reads a file. TARE_ABSENT if it is not there; TARE_UNSUPPORTED for PyTorch's formats of
 * before 1.6, TorchScript and big-endian archives; otherwise as archive_open() and pickle_load().
 * Every message names the path. On success checkpoint_close() it.
 */
enum tare_status checkpoint_open(const char *path, struct checkpoint **checkpoint,
                                 struct tare_err *err);

/* The same from memory that stays the caller's and must outlive the checkpoint. */
enum tare_status checkpoint_parse(const uint8_t *data, size_t size, struct checkpoint **checkpoint,
                                  struct tare_err *err);
void checkpoint_close(struct checkpoint *checkpoint);

/* What was saved: for a detection checkpoint a dict. */
const struct pickle_value *checkpoint_root(const struct checkpoint *checkpoint);

/*
 * Finds a tensor's elements. path ("model.0.conv.weight") is for messages. TARE_BADDATA if value is
 * no tensor, is not contiguous, or reaches outside its storage or its storage outside its entry.
 */
enum tare_status checkpoint_tensor(const struct checkpoint *checkpoint,
                                   const struct pickle_value *value, const char *path,
                                   struct checkpoint_view *view, struct tare_err *err);

/*
 * Widens count elements from offset on to FP32 (exact for FP16 and BF16; FP64 is rounded). Only
 * floating-point dtypes; an asserted programmer's error otherwise, see checkpoint_is_float().
 */
void checkpoint_floats(const struct checkpoint_view *view, int64_t offset, int64_t count,
                       float *out); // (count)

bool checkpoint_is_float(const struct checkpoint_view *view);

#endif
