#pragma once
#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

/* Appends a shared access signature for Event Hubs to `out`:
 * SharedAccessSignature sr=<audience>&sig=<base64>&se=<unix seconds>&skn=<key name>, each part
 * percent-encoded. The HMAC key is the text of the key as it stands, not decoded.
 * False if OpenSSL or the buffer's ceiling refuses; `out` is then as it was. */
bool sas_append(struct buffer *out, struct slice audience, struct slice key_name, struct slice key,
                int64_t expires_s);

/* Appends `text` as encodeURIComponent does: everything but A-Z a-z 0-9 - _ . ! ~ * ' ( ) becomes
 * %XX with capital hex digits. */
bool sas_append_encoded(struct buffer *out, struct slice text);
