/*
 * kserve_client.h - what the two transports of kserve.h share. Private to this room.
 */
#ifndef TARE_KSERVE_KSERVE_CLIENT_H
#define TARE_KSERVE_KSERVE_CLIENT_H

#include "base/buf.h"
#include "kserve/kserve.h"
#include "kserve/shared_region.h"

#define KSERVE_RESPONSE_MAX ((size_t)4 << 20) /* bytes of what is not an inference */

/* Which model; texts of a call. */
struct kserve_name {
    const char *model, *version;
};

/* The calls that a transport words in its own way. */
struct kserve_calls {
    enum tare_status (*ready)(struct kserve_client *client, bool live, struct tare_err *err);
    enum tare_status (*server)(struct kserve_client *client, struct kserve_server *server,
                               struct tare_err *err);
    enum tare_status (*model_ready)(struct kserve_client *client, const struct kserve_name *name,
                                    struct tare_err *err);
    enum tare_status (*metadata)(struct kserve_client *client, const struct kserve_name *name,
                                 struct kserve_model *model, struct tare_err *err);
    enum tare_status (*config)(struct kserve_client *client, const struct kserve_name *name,
                               struct kserve_model *model, struct tare_err *err);
    enum tare_status (*load)(struct kserve_client *client, const char *model, bool load,
                             struct tare_err *err);
    enum tare_status (*statistics)(struct kserve_client *client, const struct kserve_name *name,
                                   struct kserve_statistics *statistics, struct tare_err *err);
    enum tare_status (*register_region)(struct kserve_client *client,
                                        const struct shared_region *region, struct tare_err *err);
    enum tare_status (*unregister_region)(struct kserve_client *client, const char *name,
                                          struct tare_err *err);
    /* Names of the regions that the server knows and shared_region_is_stale(), one a line. */
    enum tare_status (*stale_regions)(struct kserve_client *client, struct buf *names,
                                      struct tare_err *err);
};

extern const struct kserve_calls kserve_http_calls, kserve_grpc_calls;

struct kserve_region {
    struct kserve_region *next;
    struct shared_region shared;
};

struct kserve_client {
    struct kserve_address address;
    enum kserve_transport transport;
    const struct kserve_calls *calls;
    int64_t timeout_ns;
    struct kserve_conn *conn; /* NULL: none yet, or it broke */
    int epoll_fd;
    int64_t used_ns;     /* when the connection was used last */
    struct buf response; /* of the last call that was no inference */
    bool swept;
    struct kserve_region *regions;
};

/* Sends an exchange and waits until it is done. deadline_ns: 0: the client's own. */
enum tare_status kserve_exchange(struct kserve_client *client, struct exchange *exchange,
                                 int64_t deadline_ns, struct tare_err *err);

/* Adds a tensor to a side of a model. The name, the dtype and the shape are the server's words. */
struct kserve_said {
    const char *name, *dtype;
    const int64_t *shape; // (rank)
    size_t rank;
};
enum tare_status kserve_model_add(struct kserve_model *model, bool input,
                                  const struct kserve_said *said, struct tare_err *err);

#endif
