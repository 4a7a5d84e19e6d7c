#pragma once
#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

/* Appends a shared access signature to `out`:
 * SharedAccessSignature sr=<audience>&sig=<base64>&se=<unix seconds>&skn=<key name>, each part
 * percent-encoded. `key` is the HMAC key: for an Event Hubs-compatible endpoint the text of the
 * policy's key as it stands, for an IoT hub what it stands for in base64.
 * False if OpenSSL or the buffer's ceiling refuses; `out` is then as it was. */
bool sas_append(struct buffer *out, struct slice audience, struct slice key_name, struct slice key,
                int64_t expires_s);

/* Appends `text` as encodeURIComponent does: everything but A-Z a-z 0-9 - _ . ! ~ * ' ( ) becomes
 * %XX with capital hex digits. */
bool sas_append_encoded(struct buffer *out, struct slice text);

/* The longest key in bytes; services give 32 to 64. */
#define SAS_KEY_BYTES 256

/* The bytes that a key in base64 stands for; 0 if it is none, or too long. */
size_t sas_decode_key(struct slice base64, unsigned char bytes[SAS_KEY_BYTES]);
