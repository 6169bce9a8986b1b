/*
 * triton_complete.h - a config that declares no tensors is completed from what the model has.
 * Threads: no shared state.
 */
#ifndef TARE_TRITON_COMPLETE_H
#define TARE_TRITON_COMPLETE_H

#include "triton_model.h"

#define TRITON_DEFAULT_BATCH 4 /* max_batch_size of a model that takes any batch: Triton's own */

/*
 * Fills in max_batch_size, inputs and outputs if Triton allows it (it does unless it was started
 * with --disable-auto-complete-config) and the config has neither inputs nor outputs; *completed
 * says whether the config is another now, to be read again. The plugin of a role that needs one is
 * loaded.
 */
enum tare_status triton_complete(struct triton_model *model, struct TRITONBACKEND_Model *self,
                                 bool *completed, struct tare_err *err);

#endif
