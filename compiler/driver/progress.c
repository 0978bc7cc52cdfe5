#include "compiler/driver/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "compiler/driver/session.h"

Progress progress_start(const char *what, bool quiet, int64_t begun) {
  const char *term = getenv("TERM");
  bool terminal = isatty(2) && (term == NULL || strcmp(term, "dumb") != 0);
  double now = now_ms();
  return (Progress){.quiet = quiet, .terminal = terminal, .started_ms = now, .shown_ms = now, .every_ms = terminal ? 100 : 5000, .begun = begun, .what = what};
}

static const char *time_text(double seconds, char *text, size_t size) {
  if (!(seconds < 360000)) snprintf(text, size, "?");
  else if (seconds < 60) snprintf(text, size, "%.0f s", seconds);
  else if (seconds < 3600) snprintf(text, size, "%d min %02d s", (int)seconds / 60, (int)seconds % 60);
  else snprintf(text, size, "%d h %02d min", (int)seconds / 3600, (int)seconds / 60 % 60);
  return text;
}

static int terminal_width(void) {
  struct winsize size;
  return ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void draw_bar(double fraction, int width) {
  int full = (int)(fraction * width);
  fputs("[", stderr);
  for (int i = 0; i < width; i++) fputc(i < full ? '=' : i == full ? '>' : ' ', stderr);
  fputs("] ", stderr);
}

void progress_show(Progress *progress, int64_t done, int64_t total, int64_t epoch, double loss) {
  double now = now_ms();
  if (progress->quiet || now - progress->shown_ms < progress->every_ms) return;
  progress->shown_ms = now;
  double seconds = (now - progress->started_ms) / 1e3, rate = (double)(done - progress->begun) / seconds;
  char left[32], text[160];
  time_text((double)(total - done) / rate, left, sizeof left);
  int n = snprintf(text, sizeof text, "%.0f %%", 100 * (double)done / (double)total);
  if (epoch > 0) n += snprintf(text + n, sizeof text - (size_t)n, "  epoch %lld", (long long)epoch);
  if (!isnan(loss)) n += snprintf(text + n, sizeof text - (size_t)n, "  loss %.5g", loss);
  snprintf(text + n, sizeof text - (size_t)n, "  %.3g events/s  %s left", rate, left);
  if (!progress->terminal) {
    fprintf(stderr, "%s: %s\n", progress->what, text);
    return;
  }
  int room = terminal_width() - (int)strlen(text) - 4;
  fputs("\r\033[K", stderr);
  if (room >= 8) draw_bar((double)done / (double)total, room > 30 ? 30 : room);
  fputs(text, stderr);
  fflush(stderr);
}

void progress_clear(Progress *progress) {
  if (progress->terminal && !progress->quiet) fputs("\r\033[K", stderr);
}
