#include "core/bulk_answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What the bulk service, or whatever stands in its place, answers: whatever the bytes, no row that
 * was not sent, none twice, and every reason within the answer. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint32_t rows = data[0];
    size_t n = size - 1;
    char *body = malloc(n + 1);
    memcpy(body, data + 1, n);
    struct bulk_answer answer = {0};
    if (bulk_answer_read(&answer, (struct slice){body, n}, rows)) {
        if (answer.count > rows)
            abort();
        for (size_t i = 0; i < answer.count; i++) {
            const struct bulk_refusal *r = &answer.refusals[i];
            if (r->row >= rows || (i > 0 && r->row <= answer.refusals[i - 1].row))
                abort();
            if (r->reason.n > 0 && (r->reason.p < body || r->reason.p + r->reason.n > body + n))
                abort();
        }
    } else if (answer.why == NULL) {
        abort();
    }
    bulk_answer_free(&answer);
    free(body);
    return 0;
}
