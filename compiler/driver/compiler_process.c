#define _GNU_SOURCE // close_range
#include "compiler/driver/compiler_process.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct CompilerProcess {
  const char *program;
  pthread_mutex_t lock; // of all that follows
  pid_t pid;            // of the last one, until it was waited for; 0: none
  int control;          // to it; -1: none is there
  int asking;
  bool rests;
  int status; // of the last one that ended by itself
};

// What goes through a connection: a request with its function in pieces, then replies. Pointers in them mean nothing to who reads them.

typedef struct Request {
  CodegenOptions options;
  int threads;
  unsigned shelf;
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

// -1: nobody sends any more, errno 0, or something else is wrong.
static int receive_handle(int control) {
  char byte;
  Handle handle = {0};
  struct msghdr message = {.msg_iov = &(struct iovec){&byte, 1}, .msg_iovlen = 1, .msg_control = &handle, .msg_controllen = sizeof handle};
  ssize_t got;
  errno = 0;
  while ((got = recvmsg(control, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) errno = 0;
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
  if (started) c->control = ends[0];
  else close(ends[0]), c->pid = 0;
  return started;
}

// Who is left waits for nothing: it is waited for when the next one begins.
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

// A connection; -1: there is none to have.
static int enter(CompilerProcess *c) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
  pthread_mutex_lock(&c->lock);
  bool connected = is_started(c) && send_handle(c->control, ends[1]);
  c->asking += connected;
  pthread_mutex_unlock(&c->lock);
  close(ends[1]);
  if (connected) return ends[0];
  close(ends[0]);
  return -1;
}

static void leave(CompilerProcess *c, int fd, bool died) {
  close(fd);
  pthread_mutex_lock(&c->lock);
  c->asking--;
  if (died && c->control >= 0) {
    close(c->control);
    c->control = -1;
    reap(c);
  } else if (c->rests && c->asking == 0) {
    stop(c);
  }
  pthread_mutex_unlock(&c->lock);
}

typedef struct Sending {
  int fd;
  bool failed;
} Sending;

static void send_piece(void *context, const void *bytes, size_t n) {
  Sending *s = context;
  s->failed = s->failed || !send_all(s->fd, &n, sizeof n) || !send_all(s->fd, bytes, n);
}

static bool send_request(int fd, const IrFn *fn, const CodegenOptions *options, int threads, unsigned shelf) {
  Request request = {*options, threads, shelf};
  Sending s = {.fd = fd, .failed = !send_all(fd, &request, sizeof request)};
  ir_bytes(fn, send_piece, &s);
  size_t end = 0;
  return !s.failed && send_all(fd, &end, sizeof end);
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
    return false;
  }
  return false;
}

CompilerAnswer compiler_process_ask(CompilerProcess *c, const IrFn *fn, const CodegenOptions *options, int threads, unsigned shelf, Compiled *compiled) {
  int fd = enter(c);
  if (fd < 0) return COMPILER_ABSENT;
  bool done = send_request(fd, fn, options, threads, shelf) && receive_program(fd, options, compiled);
  bool stopped = !done && options->stop != NULL && atomic_load(options->stop);
  leave(c, fd, !done && !stopped);
  return done ? COMPILER_DONE : stopped ? COMPILER_STOPPED : COMPILER_DIED;
}

void compiler_process_rest(CompilerProcess *c) {
  pthread_mutex_lock(&c->lock);
  c->rests = true;
  if (c->asking == 0) stop(c);
  pthread_mutex_unlock(&c->lock);
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
  pthread_mutex_t lock;
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
static const IrFn *receive_function(int fd, Arena *arena) {
  VEC(uint8_t) bytes = {0};
  for (size_t n; receive_all(fd, &n, sizeof n, NULL);) {
    if (n == 0) {
      const IrFn *fn = ir_from_bytes(arena, bytes.at, bytes.len);
      if (fn == NULL) ir_fail("a function that was sent to the compiler cannot be read");
      return fn;
    }
    if (bytes.len + n > bytes.cap) {
      size_t room = 2 * bytes.cap + n;
      bytes.at = arena_grow(arena, bytes.at, bytes.len, room);
      bytes.cap = room;
    }
    if (!receive_all(fd, bytes.at + bytes.len, n, NULL)) break;
    bytes.len += n;
  }
  return NULL;
}

static void tell_scheduled(void *context, const HgmProgram *tables) {
  Connection *c = context;
  if (tables != NULL) send_all(c->fd, &(Reply){.scheduled = *tables}, sizeof(Reply));
}

static void answer(Connection *c, Arena *arena) {
  Request request;
  const IrFn *fn = receive_all(c->fd, &request, sizeof request, NULL) ? receive_function(c->fd, arena) : NULL;
  if (fn == NULL) return;
  CodegenOptions options = request.options;
  options.cpu = options.features = options.dump = NULL;
  options.stop = NULL; // who does not want it any more ends the process
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
  free(c);
  return NULL;
}

int compiler_serve(void) {
  close_range(3, ~0u, 0); // files of who started it
  Server server = {.arena = arena_create()};
  if (pthread_mutex_init(&server.lock, NULL) != 0) ir_fail("no lock can be made");
  for (int fd; (fd = receive_handle(STDIN_FILENO)) >= 0;) {
    pthread_t thread;
    Connection *c = malloc(sizeof *c);
    if (c == NULL) ir_fail("out of memory");
    *c = (Connection){&server, fd};
    if (pthread_create(&thread, NULL, serve, c) != 0) ir_fail("the compiler cannot start a thread");
    pthread_detach(thread);
  }
  if (errno == 0) _exit(EXIT_DONE); // whatever its threads are at
  fprintf(stderr, "hgmc: `" COMPILER_VERB "` is what hgmc starts for itself; it cannot be called from a command line\n");
  return EXIT_ENVIRONMENT;
}
