#include "core/answer.h"

#include "base/utf8.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define RETRY_HINT "look at ThingWorx and the load balancer before it; delivery goes on by itself"
#define SUSPECT_HINT                                                                               \
    "see the answer's text, and whether the Thing and its properties exist with fitting base "     \
    "types"

static const struct answer_rule transport_rule = {
    0, 0, ANSWER_RETRY, "ThingWorx did not answer",
    "check the address, the network and whether ThingWorx runs; delivery goes on by itself"};

static const struct answer_rule html_rule = {
    200, 299, ANSWER_CONFIGURATION, "an HTML page came instead of an answer of ThingWorx",
    "a login page or a proxy stands in front of ThingWorx: let the connector through with its "
    "application key, or correct the base URL"};

/* Searched from the top, so that exceptions stand before their ranges. */
static const struct answer_rule rules[] = {
    {200, 299, ANSWER_ACCEPTED, "accepted", ""},
    {300, 399, ANSWER_CONFIGURATION, "ThingWorx redirects the request",
     "set the base URL to the address that the redirect names, or exempt the connector from SSO"},
    {401, 401, ANSWER_CONFIGURATION, "the application key is refused",
     "check the application key: it may be wrong, expired (24 h by default) or not yet valid"},
    {403, 403, ANSWER_CONFIGURATION, "the application key's user may not do this",
     "give the user of the application key the right to invoke the service on the Thing"},
    {405, 405, ANSWER_CONFIGURATION, "the base URL does not accept POST",
     "correct the base URL: it ends in /Thingworx"},
    {406, 406, ANSWER_CONFIGURATION, "ThingWorx refuses the request's headers",
     "look for a proxy that changes Accept or Content-Type"},
    {407, 407, ANSWER_CONFIGURATION, "a proxy asks for its own password",
     "let the connector reach ThingWorx without that proxy"},
    {408, 408, ANSWER_RETRY, "ThingWorx gave up waiting for the request", RETRY_HINT},
    {413, 413, ANSWER_TOO_LARGE, "the request is too large for ThingWorx or a proxy",
     "raise what ThingWorx or the proxy lets through, if single rows are too large"},
    {421, 421, ANSWER_RETRY, "the request reached a server that is not responsible", RETRY_HINT},
    {425, 425, ANSWER_RETRY, "ThingWorx is not ready to take the request", RETRY_HINT},
    {429, 429, ANSWER_THROTTLED, "ThingWorx asks the connector to send less", RETRY_HINT},
    {400, 499, ANSWER_SUSPECT, "ThingWorx refuses the request", SUSPECT_HINT},
    {500, 500, ANSWER_SUSPECT, "ThingWorx failed to carry out the request", SUSPECT_HINT},
    {501, 501, ANSWER_SUSPECT, "ThingWorx does not know the service", SUSPECT_HINT},
    {502, 599, ANSWER_RETRY, "ThingWorx is not available", RETRY_HINT},
};

/* Nothing that HTTP knows: treated as a server that is broken for now. */
static const struct answer_rule unknown_rule = {0, 0, ANSWER_RETRY,
                                                "the answer is not HTTP as it should be",
                                                "check what the base URL points at"};

const struct answer_rule *answer_rule(int status, bool transport_failed, bool html_body)
{
    if (transport_failed)
        return &transport_rule;
    if (html_body && status >= html_rule.low && status <= html_rule.high)
        return &html_rule;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (status >= rules[i].low && status <= rules[i].high)
            return &rules[i];
    return &unknown_rule;
}

enum answer_class answer_classify(int status, bool transport_failed, bool html_body)
{
    return answer_rule(status, transport_failed, html_body)->class;
}

const char *answer_class_name(enum answer_class class)
{
    static const char *const names[ANSWER_CLASSES] = {"accepted",      "retry",   "throttled",
                                                      "configuration", "suspect", "too_large"};
    return names[class];
}

void answer_text(struct slice body, char *out, size_t size)
{
    const unsigned char *p = (const unsigned char *)body.p;
    size_t at = 0, n = 0;
    while (at < body.n) {
        bool blank = p[at] <= ' ' || p[at] == 0x7f;
        size_t length = utf8_length((struct slice){body.p + at, body.n - at});
        size_t step = length ? length : 1;
        if (n + step >= size)
            break;
        if (blank && n > 0 && out[n - 1] != ' ')
            out[n++] = ' ';
        else if (!blank && length == 0)
            out[n++] = '?';
        else if (!blank)
            for (size_t i = 0; i < length; i++)
                out[n++] = (char)p[at + i];
        at += step;
    }
    if (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

/* Whether what stands before or behind a name in a text ends it. */
static bool ends_name(struct slice text, size_t at)
{
    return at >= text.n || strchr("[](){}<>'\" ,;:", text.p[at]) != NULL;
}

bool answer_names_missing(struct slice text, struct slice thing)
{
    static const struct slice refused = SLICE_LITERAL("not found");
    bool not_found = false, named = false;
    for (size_t at = 0; at < text.n; at++) {
        size_t left = text.n - at;
        if (left >= 8 && strncasecmp(text.p + at, "property", 8) == 0)
            return false;
        not_found =
            not_found || (left >= refused.n && strncasecmp(text.p + at, refused.p, refused.n) == 0);
        named = named ||
                (thing.n > 0 && left >= thing.n && memcmp(text.p + at, thing.p, thing.n) == 0 &&
                 ends_name(text, at - 1) && ends_name(text, at + thing.n));
    }
    return not_found && named;
}
