#include "base/vault.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Stands before what is handed out. */
struct head {
    size_t mapped; /* bytes, with this */
    max_align_t memory[];
};

void *vault_alloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size > SIZE_MAX - sizeof(struct head) - page)
        abort();
    size_t mapped = (sizeof(struct head) + size + page - 1) / page * page;
    struct head *head =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (head == MAP_FAILED) {
        (void)fputs("holdfast: out of memory\n", stderr);
        abort();
    }
    (void)madvise(head, mapped, MADV_DONTDUMP);
    (void)mlock2(head, mapped, 0); /* mlock does nothing under the address sanitizer */
    head->mapped = mapped;
    return head->memory;
}

char *vault_copy(const char *text, size_t n)
{
    char *copy = vault_alloc(n + 1);
    memcpy(copy, text, n);
    return copy;
}

void vault_free(void *memory)
{
    if (memory == NULL)
        return;
    struct head *head = (struct head *)((char *)memory - offsetof(struct head, memory));
    size_t mapped = head->mapped;
    explicit_bzero(head, mapped);
    (void)munmap(head, mapped);
}
