/* SHA-256 as in FIPS 180-4. */
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int count)
{
    return x >> count | x << (32 - count);
}

static void hash_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], s[8];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];

        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof(s));
    for (int i = 0; i < 64; i++) {
        uint32_t big1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t big0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t choose = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t t = s[7] + big1 + choose + round_constants[i] + w[i];

        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += t;
        s[0] = t + big0 + majority;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static void hash_tail(uint32_t state[8], const uint8_t *tail, size_t tail_size, uint64_t total)
{
    uint8_t block[128] = {0};
    size_t blocks = tail_size < 56 ? 1 : 2;

    if (tail_size)
        memcpy(block, tail, tail_size);
    block[tail_size] = 0x80;
    for (int i = 0; i < 8; i++)
        block[blocks * 64 - 1 - (size_t)i] = (uint8_t)(total * 8 >> 8 * i);
    for (size_t i = 0; i < blocks; i++)
        hash_block(state, block + 64 * i);
}

static void hash_bytes(const uint8_t *data, size_t size, char hex[65])
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    size_t whole = size / 64;

    for (size_t i = 0; i < whole; i++)
        hash_block(state, data + 64 * i);
    hash_tail(state, data ? data + 64 * whole : NULL, size - 64 * whole, size);
    for (int i = 0; i < 8; i++)
        (void)snprintf(hex + 8 * i, 9, "%08x", state[i]);
}

enum tare_status file_sha256(const char *path, char hex[65], struct tare_err *err)
{
    struct file_map map;
    enum tare_status status = file_map(path, (size_t)-1, &map, err);

    hex[0] = '\0';
    if (status != TARE_OK)
        return status;
    hash_bytes(map.data, map.size, hex);
    file_unmap(&map);
    return TARE_OK;
}

static enum tare_status add_line(const char *dir, const char *name, struct buf *text,
                                 int64_t *bytes, struct tare_err *err)
{
    char path[FILE_MAX_PATH], hex[65];
    struct stat info;
    enum tare_status status = file_join(path, sizeof(path), dir, name, err);

    if (status == TARE_OK)
        status = file_sha256(path, hex, err);
    if (status != TARE_OK)
        return status;
    buf_printf(text, "%s  %s\n", hex, name);
    *bytes += stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
    return TARE_OK;
}

enum tare_status file_tree_sha256(const char *dir, char hex[65], int64_t *bytes,
                                  struct tare_err *err)
{
    struct buf text = BUF_INIT;
    char **names = NULL;
    size_t count = 0;
    enum tare_status status = file_tree(dir, &names, &count, err);

    hex[0] = '\0';
    *bytes = 0;
    for (size_t i = 0; i < count && status == TARE_OK; i++)
        status = add_line(dir, names[i], &text, bytes, err);
    if (status == TARE_OK)
        status = buf_status(&text, "the hashes of a folder", err);
    if (status == TARE_OK)
        hash_bytes((const uint8_t *)buf_text(&text), strlen(buf_text(&text)), hex);
    buf_release(&text);
    file_free_names(names, count);
    return status;
}
