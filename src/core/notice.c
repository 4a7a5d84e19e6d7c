#include "core/notice.h"

#include <stdlib.h>
#include <string.h>

/* What stands behind the first word; NULL when that is another one. */
static const char *behind(const char *payload, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(payload, word, n) != 0 || (payload[n] != '\0' && payload[n] != ' '))
        return NULL;
    return payload + n;
}

static bool names(const char *numbers, int session_id)
{
    char *end;
    for (;;) {
        long number = strtol(numbers, &end, 10);
        if (end == numbers)
            return false;
        if (number == session_id)
            return true;
        numbers = end;
    }
}

struct notice notice_read(const char *payload, int session_id, bool leader)
{
    struct notice notice = {.tend = leader};
    const char *numbers;
    if ((numbers = behind(payload, "assignment")) != NULL) {
        notice.refresh = names(numbers, session_id);
        notice.poll = *numbers == '\0';
    } else if ((numbers = behind(payload, "leader")) != NULL) {
        notice.poll = leader || names(numbers, session_id);
    } else {
        notice.poll = strcmp(payload, "members") != 0;
    }
    return notice;
}
