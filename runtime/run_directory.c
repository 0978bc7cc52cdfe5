#define _GNU_SOURCE // open file description locks
#include "runtime/run_directory.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_RUNS = 1000000, LINE_MOST = 65536 };

struct HgmRun {
  char path[PATH_MAX];
  int lock;    // descriptor of the lock file; the lock goes with it, also when the process is killed
  size_t made; // the first part of the path that was not there before ends here; 0: all was there
};

bool hgm_run_file(const char *directory, const char *name, char *text, int size, HgmError *error) {
  if (snprintf(text, (size_t)size, "%s/%s", directory, name) < size) return true;
  return hgm_fail(error, 2, "%s/%s: the name is too long", directory, name);
}

static bool exists(const char *directory, const char *name) {
  char path[PATH_MAX];
  HgmError ignored = {0};
  struct stat info;
  return hgm_run_file(directory, name, path, sizeof path, &ignored) && stat(path, &info) == 0;
}

// *made: as in HgmRun, left alone where nothing had to be made.
static bool make_directories(const char *path, size_t *made, HgmError *error) {
  char part[PATH_MAX];
  if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part) return hgm_fail(error, 2, "%s: the name is too long", path);
  for (char *at = part + 1;; at++) {
    if (*at != '/' && *at != '\0') continue;
    char end = *at;
    *at = '\0';
    if (mkdir(part, 0777) == 0) *made = *made > 0 ? *made : strlen(part);
    else if (errno != EEXIST) return hgm_fail(error, 2, "%s: cannot be made: %s", part, strerror(errno));
    *at = end;
    if (end == '\0') break;
  }
  struct stat info;
  if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return true;
  return hgm_fail(error, 2, "%s: is not a directory", path);
}

// runs/MODEL-001 … the first number behind all that are there. mkdir decides between two runs that start together.
static bool make_next(HgmRun *run, const char *model, HgmError *error) {
  if (!make_directories("runs", &run->made, error)) return false;
  size_t length = strlen(model);
  long last = 0;
  DIR *directory = opendir("runs");
  for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
    if (strncmp(entry->d_name, model, length) != 0 || entry->d_name[length] != '-') continue;
    const char *digits = entry->d_name + length + 1;
    if (!isdigit((unsigned char)*digits) || digits[strspn(digits, "0123456789")] != '\0') continue;
    long number = strtol(digits, NULL, 10);
    if (number > last) last = number;
  }
  if (directory != NULL) closedir(directory);
  for (long number = last + 1; number < MOST_RUNS; number++) {
    if (snprintf(run->path, sizeof run->path, "runs/%s-%03ld", model, number) >= (int)sizeof run->path)
      return hgm_fail(error, 2, "%s: the name is too long", model);
    if (mkdir(run->path, 0777) == 0) {
      run->made = run->made > 0 ? run->made : strlen(run->path);
      return true;
    }
    bool gone = errno == ENOENT; // by a run that failed meanwhile and took the empty folder with it
    if (gone ? !make_directories("runs", &run->made, error) : errno != EEXIST) break;
  }
  return hgm_fail(error, 2, "%s: cannot be made: %s", run->path, strerror(errno));
}

static bool take_lock(HgmRun *run, HgmError *error) {
  char path[PATH_MAX], owner[128] = "";
  if (!hgm_run_file(run->path, "lock", path, sizeof path, error)) return false;
  run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (run->lock < 0) return hgm_fail(error, 2, "%s: cannot be made: %s", path, strerror(errno));
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int status = -1;
#ifdef F_OFD_SETLK
  status = fcntl(run->lock, F_OFD_SETLK, &lock);
  if (status != 0 && errno == EINVAL) status = fcntl(run->lock, F_SETLK, &lock);
#else
  status = fcntl(run->lock, F_SETLK, &lock);
#endif
  if (status != 0 && (errno == EAGAIN || errno == EACCES)) {
    ssize_t n = pread(run->lock, owner, sizeof owner - 1, 0);
    if (n > 0) owner[strcspn(owner, "\n")] = '\0';
    return hgm_fail(error, 2, "%s: another run works in this directory (%s); wait for it, or give another one with -o", run->path,
                    owner[0] != '\0' ? owner : "unknown process");
  }
  if (status != 0) return true; // a file system without locks: better to run than to refuse
  char host[64] = "unknown host";
  gethostname(host, sizeof host - 1);
  int n = snprintf(owner, sizeof owner, "process %ld on %s\n", (long)getpid(), host);
  if (ftruncate(run->lock, 0) == 0 && n > 0) (void)!pwrite(run->lock, owner, (size_t)n, 0); // only for the message above
  return true;
}

bool hgm_run_create(HgmRun **result, const char *directory, const char *model, bool resume, bool force, HgmError *error) {
  *result = NULL;
  HgmRun *run = calloc(1, sizeof *run);
  if (run == NULL) return hgm_fail(error, 2, "out of memory");
  run->lock = -1;
  bool fine;
  if (directory == NULL && resume) {
    fine = hgm_fail(error, 2, "--resume needs the directory of the run; give it with -o");
  } else if (directory == NULL) {
    fine = make_next(run, model, error);
  } else {
    size_t n = strlen(directory);
    while (n > 1 && directory[n - 1] == '/') n--;
    fine = n < sizeof run->path || hgm_fail(error, 2, "%s: the name is too long", directory);
    if (fine) memcpy(run->path, directory, n);
    bool is_run = fine && exists(run->path, "manifest.json");
    if (fine && resume && !is_run) fine = hgm_fail(error, 2, "%s: holds no run to resume", run->path);
    if (fine && is_run && !resume && !force)
      fine = hgm_fail(error, 2,
                      "%s: holds a run already; continue it with --resume, replace it with --force, or give another "
                      "directory with -o",
                      run->path);
    fine = fine && make_directories(run->path, &run->made, error);
  }
  fine = fine && take_lock(run, error);
  if (!fine) {
    hgm_run_close(run);
    return false;
  }
  *result = run;
  return true;
}

static bool only_lock(const char *path) {
  DIR *directory = opendir(path);
  int others = directory == NULL;
  for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;)
    others += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, "lock") != 0;
  if (directory != NULL) closedir(directory);
  return others == 0;
}

// The path and what was made above it, as far as nothing lies there: rmdir leaves what is not empty.
static void remove_empty(HgmRun *run) {
  for (;;) {
    rmdir(run->path);
    char *slash = strrchr(run->path, '/');
    if (slash == NULL || (size_t)(slash - run->path) < run->made) return;
    *slash = '\0';
  }
}

void hgm_run_close(HgmRun *run) {
  if (run == NULL) return;
  char lock[PATH_MAX];
  HgmError ignored = {0};
  bool empty = run->lock < 0 || (only_lock(run->path) && hgm_run_file(run->path, "lock", lock, sizeof lock, &ignored) && unlink(lock) == 0);
  if (run->made > 0 && empty) remove_empty(run);
  if (run->lock >= 0) close(run->lock);
  free(run);
}

const char *hgm_run_path(const HgmRun *run) { return run->path; }

bool hgm_run_find(const char *argument, char *directory, int size, HgmError *error) {
  struct stat info;
  if (stat(argument, &info) != 0)
    return hgm_fail(error, 2, "%s: cannot be opened: %s; name the directory that `hgmc run` wrote (-o)", argument, strerror(errno));
  const char *slash = strrchr(argument, '/');
  int length = (int)strlen(argument);
  bool is_file = !S_ISDIR(info.st_mode);
  if (is_file) length = slash == NULL ? 0 : slash == argument ? 1 : (int)(slash - argument);
  else
    while (length > 1 && argument[length - 1] == '/') length--;
  if (snprintf(directory, (size_t)size, "%.*s", length > 0 ? length : 1, length > 0 ? argument : ".") >= size)
    return hgm_fail(error, 2, "%s: the name is too long", argument);
  if (exists(directory, "manifest.json")) return true;
  return hgm_fail(error, 1, "%s: is no run of hgmc (%s has no manifest.json); name the directory that `hgmc run` wrote", argument, directory);
}

// ---- metrics.csv

static bool append(const char *path, const char *line, size_t n, const HgmIo *io, HgmError *error) {
  int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return hgm_fail(error, 2, "%s: cannot be opened: %s", path, strerror(errno));
  bool fine = hgm_io_write_all(io, file, line, n);
  int saved = errno;
  if (close(file) != 0 && fine) fine = false, saved = errno;
  return fine || hgm_fail(error, 2, "%s: cannot be written: %s", path, strerror(saved));
}

bool hgm_run_metrics(HgmRun *run, const char *const *names, const double *values, int n, const HgmIo *io, HgmError *error) {
  if (io == NULL) io = &hgm_io_system;
  char path[PATH_MAX];
  if (!hgm_run_file(run->path, "metrics.csv", path, sizeof path, error)) return false;
  struct stat info;
  bool is_new = stat(path, &info) != 0 || info.st_size == 0;
  char *line = malloc(LINE_MOST);
  if (line == NULL) return hgm_fail(error, 2, "%s: out of memory", path);
  size_t used = 0;
  for (int k = 0; is_new && k < n && used < LINE_MOST - 512; k++)
    used += (size_t)snprintf(line + used, LINE_MOST - used, "%.400s%c", names[k], k + 1 < n ? ',' : '\n');
  for (int k = 0; k < n && used < LINE_MOST - 64; k++) {
    if (isfinite(values[k])) used += (size_t)snprintf(line + used, LINE_MOST - used, "%.10g", values[k]);
    line[used++] = k + 1 < n ? ',' : '\n';
  }
  bool fine = append(path, line, used, io, error);
  free(line);
  return fine;
}

static bool is_past(const char *line, double phase, double epoch) {
  char *rest;
  double its_epoch = strtod(line, &rest), its_phase = *rest == ',' ? strtod(rest + 1, NULL) : 0;
  return its_phase < phase || (its_phase == phase && its_epoch <= epoch);
}

bool hgm_run_metrics_keep(HgmRun *run, double phase, double epoch, const HgmIo *io, HgmError *error) {
  char path[PATH_MAX], *text;
  size_t n;
  if (!hgm_run_file(run->path, "metrics.csv", path, sizeof path, error)) return false;
  struct stat info;
  if (stat(path, &info) != 0) return true; // nothing written yet
  if (!hgm_io_read_file(path, &text, &n, error)) return false;
  size_t kept = 0;
  for (char *line = text; line < text + n;) {
    char *end = memchr(line, '\n', (size_t)(text + n - line));
    if (end == NULL) break; // half a line: the run was cut off while writing it
    bool is_header = line == text;
    if (is_header || is_past(line, phase, epoch)) {
      memmove(text + kept, line, (size_t)(end + 1 - line));
      kept += (size_t)(end + 1 - line);
    }
    line = end + 1;
  }
  bool fine = kept == n || hgm_io_replace(io, path, text, kept, error);
  free(text);
  return fine;
}
