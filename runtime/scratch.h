// Memory for the large arrays of a data set that does not fit: pages of a file without a name in a folder of the caller's, mapped. The
// system writes them out and reads them back as it needs memory; what is wanted next is read ahead, what is past is given back.
//
//   HgmScratch *s;  hgm_scratch_open(&s, "runs/jets", &error);
//   float *x = hgm_scratch_take(s, n * sizeof *x, &error);   // zeros
//   hgm_scratch_ahead(s, x + a, bytes);  …  hgm_scratch_past(s, x + a, bytes);  hgm_scratch_close(s);
#ifndef HGM_SCRATCH_H
#define HGM_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/error.h"

typedef struct HgmScratch HgmScratch;

// From here on SIGBUS, which is how an error of the disk shows in a mapped file, ends the process with a message and exit code 2.
bool hgm_scratch_open(HgmScratch **scratch, const char *folder, HgmError *error);
void hgm_scratch_close(HgmScratch *scratch); // gives all memory back; NULL is fine
// The room on the disk is taken at once: a full disk is an error here and not a signal later. NULL: the error says why.
void *hgm_scratch_take(HgmScratch *scratch, size_t bytes, HgmError *error);
// Bytes that will be read soon are read by the calling thread, which waits for the disk. They may be used meanwhile.
void hgm_scratch_ahead(const void *at, size_t bytes);
// Bytes that will not be read for a while: their memory may go to others. They stay in the file.
void hgm_scratch_past(void *at, size_t bytes);

// Bytes of memory that this process may use: the machine's, or its control group's where that is less.
int64_t hgm_memory_limit(void);

#endif
