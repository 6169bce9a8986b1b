/*
 * infer_request.h - one inference, prepared once and then sent as often as wanted: its tensors are
 * where they were when it was made, and what is around them (JSON and HTTP's head, or protobuf) is
 * already written. Before each sending only numbers change: the sizes of TARE_BYTES inputs, and the
 * sequence it belongs to. Sending allocates and copies no tensor.
 *
 * It does not know of connections: its exchange goes over any (conn.h), one at a time. The load
 * generator has one of these for each request in flight.
 *
 * Threads: a request belongs to one thread at a time.
 */
#ifndef TARE_KSERVE_INFER_REQUEST_H
#define TARE_KSERVE_INFER_REQUEST_H

#include "base/buf.h"
#include "kserve/conn.h"
#include "kserve/infer_answer.h"
#include "tare/backend.h"

/* Where a tensor lies that the server reads or writes itself. */
struct infer_place {
    const char *region; /* registered with the server; NULL: the tensor goes over the wire */
    size_t offset;      /* of its data in the region */
};

/* What is to be prepared. Copied, but for the tensors' data. */
struct infer_plan {
    const struct kserve_address *address; /* outlives the request */
    enum kserve_transport transport;
    const char *model;
    const char *version; /* "": the server's choice */
    const struct tare_tensor *inputs, *outputs;
    const struct infer_place *input_places, *output_places; /* (input_count), (output_count) */
    size_t input_count, output_count;
};

struct infer_request;

/* TARE_LIMIT for what no message can hold, TARE_UNSUPPORTED for memory of a device. An output
 * without data is asked for and dropped: infer_request_shape() then knows its shape. On success
 * infer_request_free() it. */
enum tare_status infer_request_new(const struct infer_plan *plan, struct infer_request **request,
                                   struct tare_err *err);
void infer_request_free(struct infer_request *request);

/* Writes the numbers of this sending; sequence may be NULL. TARE_INVALID if the elements of a
 * TARE_BYTES input run past its room. Then *exchange, which is the request's, can be started. */
enum tare_status infer_request_prepare(struct infer_request *request,
                                       const struct tare_request *sequence,
                                       struct exchange **exchange, struct tare_err *err);

/* The shape that an output had in the last response; false if there is no such output or none came.
 */
bool infer_request_shape(const struct infer_request *request, size_t index, int32_t *rank,
                         int64_t *shape);

/* --- for the two encodings (infer_json.c, infer_proto.c) --- */

#define INFER_SEQUENCE_MAX 256                 /* bytes that say which sequence */
#define INFER_HEAD_MAX     2048                /* bytes of HTTP's head; of gRPC's prefix */
#define INFER_LIST_MAX     ((size_t)256 << 10) /* bytes of an answer without its tensors */

/* A number in the prepared bytes that each sending writes anew. */
struct infer_slot {
    size_t at;    /* in body */
    size_t input; /* whose size it is */
};

struct infer_request {
    struct exchange exchange;
    enum kserve_transport transport;
    char path[2 * TARE_MAX_NAME * 3 + 64]; /* HTTP's, escaped */
    const char *host;

    struct tare_tensor *inputs; // (input_count)
    bool *input_shared;         // (input_count)
    size_t *input_bytes;        // (input_count): of the sending that is prepared
    size_t input_count;

    char head[INFER_HEAD_MAX];
    size_t head_bytes;
    char sequence[INFER_SEQUENCE_MAX];
    size_t sequence_bytes;
    struct buf body;          /* JSON, or the fields before the tensors */
    struct infer_slot *slots; // (slot_count)
    size_t slot_count;
    struct iovec *parts; // head, sequence, body, then the tensors and, over gRPC, their tags
    uint8_t (*tags)[8];  // (input_count), gRPC: before each tensor

    struct infer_answer answer;
    struct infer_reading {
        int64_t json_bytes, body_bytes; /* HTTP: as the head said, -1: not said */
        int64_t at;                     /* bytes read so far */
        bool listed;                    /* all outputs have been announced */
        int state;                      /* gRPC: what comes next */
        uint64_t number, field;
        int digits;
        int64_t left;
        size_t list_bytes;
        uint8_t *list; // (INFER_LIST_MAX): the part in front of the tensors
    } reading;
};

/* Write the body and what never changes. */
enum tare_status infer_json_write(struct infer_request *request, const struct infer_plan *plan,
                                  struct tare_err *err);
enum tare_status infer_proto_write(struct infer_request *request, const struct infer_plan *plan,
                                   struct tare_err *err);

/* Write the sequence, the slots, the head and the parts. */
enum tare_status infer_json_prepare(struct infer_request *request,
                                    const struct tare_request *sequence, struct tare_err *err);
enum tare_status infer_proto_prepare(struct infer_request *request,
                                     const struct tare_request *sequence, struct tare_err *err);

/* Read the response; context is the request. */
extern const struct exchange_sink infer_json_sink, infer_proto_sink;

#endif
