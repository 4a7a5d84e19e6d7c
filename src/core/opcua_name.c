#include "core/opcua_name.h"

static bool begins(struct slice text, const char *with)
{
    size_t n = strlen(with);
    return text.n >= n && memcmp(text.p, with, n) == 0;
}

/* The part behind the last such character; all of it if there is none. */
static struct slice behind(struct slice text, char mark)
{
    for (size_t i = text.n; i > 0; i--)
        if (text.p[i - 1] == mark)
            return (struct slice){text.p + i, text.n - i};
    return text;
}

struct slice opcua_short(struct slice name)
{
    if (begins(name, "http:") || begins(name, "urn:")) /* URI#name or URI#i=14 */
        name = behind(name, '#');
    else if (begins(name, "nsu=") || begins(name, "ns="))
        name = behind(name, ';');
    return begins(name, "s=") ? (struct slice){name.p + 2, name.n - 2} : name;
}

static bool may_stand(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || (unsigned char)c >= 0x80;
}

/* The text is the inside of a JSON string. */
static void put_part(struct buffer *to, struct slice text)
{
    char *out = buffer_reserve(to, text.n);
    if (out == NULL)
        return;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\\') {
            i += text.p[i + 1] == 'u' ? 5 : 1;
            c = '_';
        }
        *out++ = may_stand(c) ? c : '_';
        to->n++;
    }
}

bool opcua_name_fits(const struct opcua_place *place)
{
    const struct slice parts[] = {place->publisher, place->group, place->writer,
                                  place->endpoint,  place->node,  place->field};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].n > OPCUA_PART_MAX)
            return false;
    return true;
}

static void put_raw(struct buffer *to, struct slice text, bool json)
{
    if (json)
        (void)buffer_append_json(to, text);
    else
        (void)buffer_append_slice(to, text);
}

void opcua_name(struct buffer *to, const char *template, const struct opcua_place *place,
                const struct opcua_naming *naming, bool json)
{
    const struct {
        const char *name;
        struct slice text;
        bool ours;
    } parts[] = {{"{thing}", naming->thing, true},
                 {"{device}", naming->device, true},
                 {"{module}", naming->module, true},
                 {"{publisher}", place->publisher, false},
                 {"{group}", place->group, false},
                 {"{writer}", place->writer, false},
                 {"{endpoint}", place->endpoint, false},
                 {"{node}", place->node.n > 0 ? place->node : place->field, false},
                 {"{field}", opcua_short(place->field), false}};
    struct slice rest = slice_from(template);
    while (rest.n > 0) {
        size_t taken = 0;
        for (size_t i = 0; i < sizeof parts / sizeof parts[0] && taken == 0; i++) {
            if (!begins(rest, parts[i].name))
                continue;
            taken = strlen(parts[i].name);
            if (parts[i].ours)
                put_raw(to, parts[i].text, json);
            else
                put_part(to, parts[i].text);
        }
        if (taken == 0) {
            taken = 1;
            while (taken < rest.n && rest.p[taken] != '{')
                taken++;
            put_raw(to, (struct slice){rest.p, taken}, json);
        }
        rest = (struct slice){rest.p + taken, rest.n - taken};
    }
}
