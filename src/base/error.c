#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put(char *to, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static void put(char *to, size_t size, const char *format, va_list arguments)
{
    (void)vsnprintf(to, size, format, arguments);
}

bool error_set(struct error *err, const char *format, ...)
{
    if (err == NULL)
        return false;
    memset(err, 0, sizeof *err);
    va_list arguments;
    va_start(arguments, format);
    put(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    return false;
}

bool error_detail(struct error *err, const char *format, ...)
{
    if (err == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    put(err->detail, sizeof err->detail, format, arguments);
    va_end(arguments);
    return false;
}

bool error_hint(struct error *err, const char *format, ...)
{
    if (err == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    put(err->hint, sizeof err->hint, format, arguments);
    va_end(arguments);
    return false;
}
