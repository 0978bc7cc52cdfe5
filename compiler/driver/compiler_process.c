#define _GNU_SOURCE // close_range, memfd_create
#include "compiler/driver/compiler_process.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IDLE_MS = 500 }; // with nothing to do it goes, and takes its memory with it

struct CompilerProcess {
  const char *program;
  pthread_mutex_t lock; // of all that follows
  pid_t pid;            // of the last one, until it was waited for; 0: none
  int control;          // to it; -1: none is there
  unsigned number;      // of those started
  int asking;
  int status; // of the last one that ended by itself
};

// What goes through a connection: a request with a file of memory that holds the function, then replies. Pointers in them mean nothing to who
// reads them.

typedef struct Request {
  CodegenOptions options;
  int threads;
  unsigned shelf;
  size_t bytes; // of the function
} Request;

typedef struct Reply { // first the sizes, then the program, whose bytes follow
  bool is_done;
  HgmProgram scheduled;
  Compiled compiled;
} Reply;

// ---- bytes and connections

static bool send_all(int fd, const void *bytes, size_t n) {
  for (const char *at = bytes; n > 0;) {
    ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    n -= (size_t)sent;
  }
  return true;
}

// stop: given up when it turns true, which is looked at now and then; NULL: never.
static bool receive_all(int fd, void *bytes, size_t n, const atomic_bool *stop) {
  enum { LOOK_MS = 20 };
  for (char *at = bytes; n > 0;) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (stop != NULL && atomic_load(stop)) return false;
    if (stop != NULL && poll(&ready, 1, LOOK_MS) <= 0) continue;
    ssize_t got = recv(fd, at, n, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    n -= (size_t)got;
  }
  return true;
}

typedef union Handle { // a message with one descriptor
  struct cmsghdr head;
  char bytes[CMSG_SPACE(sizeof(int))];
} Handle;

static bool send_handle(int control, int fd) {
  char byte = 0;
  Handle handle = {.head = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  memcpy(CMSG_DATA(&handle.head), &fd, sizeof fd);
  struct msghdr message = {.msg_iov = &(struct iovec){&byte, 1}, .msg_iovlen = 1, .msg_control = &handle, .msg_controllen = sizeof handle};
  return sendmsg(control, &message, MSG_NOSIGNAL) == 1;
}

// -1: nobody sends any more.
static int receive_handle(int control) {
  char byte;
  Handle handle = {0};
  struct msghdr message = {.msg_iov = &(struct iovec){&byte, 1}, .msg_iovlen = 1, .msg_control = &handle, .msg_controllen = sizeof handle};
  ssize_t got;
  while ((got = recvmsg(control, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {}
  if (got != 1 || message.msg_controllen < sizeof handle.head || handle.head.cmsg_type != SCM_RIGHTS) return -1;
  int fd;
  memcpy(&fd, CMSG_DATA(&handle.head), sizeof fd);
  return fd;
}

// ---- who asks

extern char **environ;

CompilerProcess *compiler_process_create(const char *program) {
  CompilerProcess *c = calloc(1, sizeof *c);
  if (c == NULL || pthread_mutex_init(&c->lock, NULL) != 0) return free(c), NULL;
  c->program = program;
  c->control = -1;
  return c;
}

static void reap(CompilerProcess *c) {
  while (c->pid > 0 && waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR) {}
  c->pid = 0;
}

// In a process group of its own: Ctrl-C is for who asks.
static bool spawn(CompilerProcess *c, int standard_input) {
  char name[] = "hgmc", verb[] = COMPILER_VERB;
  char *const argv[] = {name, verb, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (posix_spawn_file_actions_init(&actions) != 0) return false;
  if (posix_spawnattr_init(&attributes) != 0) return posix_spawn_file_actions_destroy(&actions), false;
  bool started = posix_spawn_file_actions_adddup2(&actions, standard_input, STDIN_FILENO) == 0 &&
                 posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP) == 0 && posix_spawnattr_setpgroup(&attributes, 0) == 0 &&
                 posix_spawn(&c->pid, c->program, &actions, &attributes, argv, environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return started;
}

static bool is_started(CompilerProcess *c) {
  int ends[2];
  if (c->control >= 0) return true;
  reap(c);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
  bool started = spawn(c, ends[1]);
  close(ends[1]);
  c->number += started;
  if (started) c->control = ends[0];
  else close(ends[0]), c->pid = 0;
  return started;
}

// It is waited for when the next one begins.
static void stop(CompilerProcess *c) {
  if (c->control < 0) return;
  close(c->control);
  c->control = -1;
  kill(c->pid, SIGKILL);
}

void compiler_process_begin(CompilerProcess *c) {
  pthread_mutex_lock(&c->lock);
  is_started(c);
  pthread_mutex_unlock(&c->lock);
}

// Hands it one end of a connection. One that has ended meanwhile, idle, is followed by another.
static bool connect_to(CompilerProcess *c, int fd) {
  for (int attempt = 0; attempt < 2 && is_started(c); attempt++) {
    if (send_handle(c->control, fd)) return true;
    stop(c);
  }
  return false;
}

// A connection, and to which one; -1: there is none to have.
static int enter(CompilerProcess *c, unsigned *number) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
  pthread_mutex_lock(&c->lock);
  bool connected = connect_to(c, ends[1]);
  c->asking += connected;
  *number = c->number;
  pthread_mutex_unlock(&c->lock);
  close(ends[1]);
  if (connected) return ends[0];
  close(ends[0]);
  return -1;
}

// True: it went because it was idle, so it may be asked again.
static bool leave(CompilerProcess *c, int fd, unsigned number, CompilerAnswer answer) {
  close(fd);
  pthread_mutex_lock(&c->lock);
  c->asking--;
  if (answer == COMPILER_STOPPED && c->asking == 0) stop(c); // nobody wants what it is at
  if (answer == COMPILER_DIED && c->number == number && c->control >= 0) {
    close(c->control);
    c->control = -1;
    reap(c);
  }
  bool idle = answer == COMPILER_DIED && WIFEXITED(c->status) && WEXITSTATUS(c->status) == EXIT_DONE;
  pthread_mutex_unlock(&c->lock);
  return idle;
}

typedef struct Writing {
  int file;
  size_t bytes;
  bool failed;
} Writing;

static void write_piece(void *context, const void *bytes, size_t n) {
  Writing *w = context;
  w->failed = w->failed || write(w->file, bytes, n) != (ssize_t)n;
  w->bytes += n;
}

// Through memory, not through the connection: the other end need not be awake meanwhile.
static bool send_request(int fd, const IrFn *fn, const CodegenOptions *options, int threads, unsigned shelf) {
  Writing w = {.file = memfd_create("hgmc-function", MFD_CLOEXEC)};
  if (w.file < 0) return false;
  ir_bytes(fn, write_piece, &w);
  Request request = {*options, threads, shelf, w.bytes};
  bool sent = !w.failed && send_all(fd, &request, sizeof request) && send_handle(fd, w.file);
  close(w.file);
  return sent;
}

static bool receive_program(int fd, const CodegenOptions *options, Compiled *compiled) {
  for (Reply reply; receive_all(fd, &reply, sizeof reply, options->stop);) {
    if (!reply.is_done) {
      if (options->scheduled != NULL) options->scheduled(options->context, &reply.scheduled);
      continue;
    }
    *compiled = reply.compiled;
    compiled->packed = malloc(compiled->size);
    if (compiled->packed == NULL) ir_fail("out of memory for a compiled program");
    if (receive_all(fd, compiled->packed, compiled->size, options->stop)) return true;
    free(compiled->packed);
    compiled->packed = NULL; // given up half way: there is no program
    return false;
  }
  return false;
}

CompilerAnswer compiler_process_ask(CompilerProcess *c, const IrFn *fn, const CodegenOptions *options, int threads, unsigned shelf, Compiled *compiled) {
  enum { MOST_ATTEMPTS = 3 };
  CompilerAnswer answer = COMPILER_DIED;
  bool again = true;
  for (int attempt = 0; again && attempt < MOST_ATTEMPTS; attempt++) {
    unsigned number;
    int fd = enter(c, &number);
    if (fd < 0) return COMPILER_ABSENT;
    bool done = send_request(fd, fn, options, threads, shelf) && receive_program(fd, options, compiled);
    answer = done ? COMPILER_DONE : options->stop != NULL && atomic_load(options->stop) ? COMPILER_STOPPED : COMPILER_DIED;
    again = leave(c, fd, number, answer);
  }
  return answer;
}

void compiler_process_death(CompilerProcess *c, char *text, size_t size) {
  pthread_mutex_lock(&c->lock);
  if (WIFSIGNALED(c->status)) snprintf(text, size, "signal %d", WTERMSIG(c->status));
  else snprintf(text, size, "exit code %d", WEXITSTATUS(c->status));
  pthread_mutex_unlock(&c->lock);
}

void compiler_process_destroy(CompilerProcess *c) {
  if (c == NULL) return;
  stop(c);
  reap(c);
  pthread_mutex_destroy(&c->lock);
  free(c);
}

// ---- who answers

typedef struct Server {
  Arena *arena;
  atomic_int connections;
  pthread_mutex_t lock;     // of the shelves
  VEC(CodeShelf *) shelves; // by number, from 1 on
} Server;

typedef struct Connection {
  Server *server;
  int fd;
} Connection;

static CodeShelf *shelf_of(Server *server, unsigned number) {
  pthread_mutex_lock(&server->lock);
  while (server->shelves.len < number) VEC_PUSH(server->arena, &server->shelves, codegen_shelf_create());
  CodeShelf *shelf = number > 0 ? server->shelves.at[number - 1] : NULL;
  pthread_mutex_unlock(&server->lock);
  return shelf;
}

// NULL: who asks is gone.
static const IrFn *receive_function(int fd, size_t n, Arena *arena) {
  int file = receive_handle(fd);
  if (file < 0) return NULL;
  void *bytes = mmap(NULL, n, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  const IrFn *fn = bytes != MAP_FAILED ? ir_from_bytes(arena, bytes, n) : NULL;
  if (fn == NULL) ir_fail("a function that was sent to the compiler cannot be read");
  munmap(bytes, n);
  return fn;
}

static void tell_scheduled(void *context, const HgmProgram *tables) {
  Connection *c = context;
  if (tables != NULL) send_all(c->fd, &(Reply){.scheduled = *tables}, sizeof(Reply));
}

static void answer(Connection *c, Arena *arena) {
  Request request;
  const IrFn *fn = receive_all(c->fd, &request, sizeof request, NULL) ? receive_function(c->fd, request.bytes, arena) : NULL;
  if (fn == NULL) return;
  CodegenOptions options = request.options;
  options.cpu = options.features = options.dump = NULL;
  options.stop = NULL; // when nobody wants it any more, the process is ended
  options.shelf = shelf_of(c->server, request.shelf);
  options.scheduled = tell_scheduled;
  options.context = c;
  HgmPool *pool = hgm_pool_create(request.threads);
  Reply reply = {.is_done = true, .compiled = compile_function(fn, &options, pool)};
  hgm_pool_destroy(pool);
  if (send_all(c->fd, &reply, sizeof reply)) send_all(c->fd, reply.compiled.packed, reply.compiled.size);
  free(reply.compiled.packed);
}

static void *serve(void *data) {
  Connection *c = data;
  Arena *arena = arena_create();
  answer(c, arena);
  arena_destroy(arena);
  close(c->fd);
  atomic_fetch_sub(&c->server->connections, 1);
  free(c);
  return NULL;
}

static bool is_called(void) { return poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, 0) > 0; }

// Until somebody calls, who reads a model meanwhile: pages that the first program would touch one after the other, microseconds each on virtual machines.
static void touch_heap(void) {
  enum { MOST = 48 << 20, PIECE = 1 << 19, PAGE = 1 << 12 };
  volatile char *memory = malloc(MOST); // what is freed stays in the process
  for (size_t at = 0; memory != NULL && at < MOST && !is_called(); at += PIECE)
    for (size_t page = 0; page < PIECE; page += PAGE) memory[at + page] = 0;
  free((void *)memory);
}

// The next connection; -1 when it is time to go.
static int wait_for_connection(Server *server) {
  struct pollfd control = {.fd = STDIN_FILENO, .events = POLLIN};
  while (poll(&control, 1, IDLE_MS) <= 0)
    if (atomic_load(&server->connections) == 0) return -1;
  return receive_handle(STDIN_FILENO);
}

int compiler_serve(void) {
  int type;
  socklen_t size = sizeof type;
  if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
    fprintf(stderr, "hgmc: `" COMPILER_VERB "` is what hgmc starts for itself; it cannot be called from a command line\n");
    return EXIT_ENVIRONMENT;
  }
  close_range(3, ~0u, 0); // files of who started it
  Server server = {.arena = arena_create()};
  if (pthread_mutex_init(&server.lock, NULL) != 0) ir_fail("no lock can be made");
  touch_heap();
  for (int fd; (fd = wait_for_connection(&server)) >= 0;) {
    pthread_t thread;
    Connection *c = malloc(sizeof *c);
    if (c == NULL) ir_fail("out of memory");
    *c = (Connection){&server, fd};
    atomic_fetch_add(&server.connections, 1);
    if (pthread_create(&thread, NULL, serve, c) != 0) ir_fail("the compiler cannot start a thread");
    pthread_detach(thread);
  }
  _exit(EXIT_DONE); // whatever its threads are at
}
