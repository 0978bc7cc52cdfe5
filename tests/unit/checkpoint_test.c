// needs: runtime
#include "runtime/checkpoint.h"

#include <errno.h>
#include <hdf5.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "runtime/run_directory.h"
#include "runtime/sha256.h"
#include "tests/support/folder.h"

static const int64_t MATRIX[] = {3, 4}, VECTOR[] = {5}, EMPTY[] = {0, 7};

static HgmStore *some_store(double shift) {
  HgmStore *store = hgm_store_create();
  HgmArray *w = hgm_store_add(store, "response.step_1.l", HGM_F32, 2, MATRIX);
  HgmArray *m = hgm_store_add(store, "response.step_1.l.adam.m", HGM_F64, 1, VECTOR);
  HgmArray *p = hgm_store_add(store, "permutation", HGM_I32, 1, VECTOR);
  assert_non_null(hgm_store_add(store, "none", HGM_F32, 2, EMPTY));
  for (int i = 0; i < 12; i++) ((float *)w->data)[i] = (float)(i + shift);
  for (int i = 0; i < 5; i++) ((double *)m->data)[i] = i * 1e-17 + shift, ((int32_t *)p->data)[i] = 4 - i;
  assert_true(hgm_store_set_number(store, "epoch", 17 + shift));
  assert_true(hgm_store_set_text(store, "model", "old"));
  assert_true(hgm_store_set_text(store, "model", "τ→μνν"));
  return store;
}

static void saved_and_loaded(void **state) {
  (void)state;
  HgmStore *store = some_store(0.5), *loaded;
  char *source = malloc(200001); // longer than an attribute may be
  memset(source, 'x', 200000);
  source[200000] = '\0';
  assert_true(hgm_store_set_text(store, "source", source));
  HgmError error = {0};
  assert_true(hgm_store_save(store, "last.h5", NULL, &error));
  assert_true(hgm_store_load(&loaded, "last.h5", &error));
  assert_int_equal(hgm_store_n(loaded), 5);
  for (int64_t i = 0; i < hgm_store_n(store); i++) {
    const HgmArray *a = hgm_store_at(store, i), *b = hgm_store_find(loaded, a->name);
    assert_non_null(b);
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->rank, b->rank);
    assert_memory_equal(a->shape, b->shape, sizeof a->shape);
    assert_memory_equal(a->data, b->data, (size_t)a->elements * (a->dtype == HGM_F64 ? 8 : 4));
    assert_int_equal((uintptr_t)b->data % 64, 0);
  }
  double epoch;
  assert_true(hgm_store_number(loaded, "epoch", &epoch) && epoch == 17.5);
  assert_false(hgm_store_number(loaded, "permutation", &epoch));
  assert_string_equal(hgm_store_text(loaded, "model"), "τ→μνν");
  assert_string_equal(hgm_store_text(loaded, "source"), source);
  assert_null(hgm_store_text(loaded, "absent"));
  hgm_store_destroy(loaded);
  hgm_store_destroy(store);
  free(source);
  // As h5py would see it: one dataset per array.
  hid_t file = H5Fopen("last.h5", H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, "response.step_1.l", H5P_DEFAULT);
  float w[12];
  assert_true(H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, w) >= 0);
  assert_true(w[11] == 11.5f);
  H5Dclose(dataset);
  H5Fclose(file);
  assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
  unlink("last.h5");
}

// Data of the caller's are saved as the store's own are, and not freed with it.
static void lent_data_are_saved(void **state) {
  (void)state;
  enum { N = 100000 };
  static float numbers[N];
  HgmStore *own = hgm_store_create(), *lent = hgm_store_create();
  for (int i = 0; i < N; i++) numbers[i] = (float)i;
  HgmArray *array = hgm_store_add(own, "w", HGM_F32, 1, (int64_t[]){N});
  memcpy(array->data, numbers, sizeof numbers);
  assert_true(hgm_store_lend(lent, "w", HGM_F32, 1, (int64_t[]){N}, numbers));
  assert_false(hgm_store_lend(lent, "w", HGM_F32, 1, (int64_t[]){N}, numbers));
  for (int i = 0; i < 2; i++) {
    HgmStore *loaded;
    HgmError error = {0};
    char *bytes;
    size_t n;
    assert_true(hgm_store_save(i == 0 ? own : lent, "lent.h5", NULL, &error));
    assert_true(hgm_io_read_file("lent.h5", &bytes, &n, &error));
    assert_true(n > sizeof numbers && n < sizeof numbers + 16384); // no more than the file needs
    assert_memory_equal(bytes + 20, "\0\0\0\0", 4);                // its first block says that it was closed
    free(bytes);
    assert_true(hgm_store_load(&loaded, "lent.h5", &error));
    assert_memory_equal(hgm_store_find(loaded, "w")->data, numbers, sizeof numbers);
    hgm_store_destroy(loaded);
  }
  hgm_store_destroy(own);
  hgm_store_destroy(lent);
  unlink("lent.h5");
}

static void names_are_one_array_each(void **state) {
  (void)state;
  HgmStore *store = hgm_store_create();
  char name[32];
  for (int64_t i = 0; i < 2000; i++) {
    snprintf(name, sizeof name, "w.%d", (int)i);
    HgmArray *array = hgm_store_add(store, name, HGM_F64, 0, NULL);
    *(double *)array->data = (double)i;
  }
  for (int i = 0; i < 2000; i++) {
    snprintf(name, sizeof name, "w.%d", i);
    assert_true(*(double *)hgm_store_find(store, name)->data == i);
  }
  assert_null(hgm_store_find(store, "w.2000"));
  assert_ptr_equal(hgm_store_add(store, "w.3", HGM_F64, 0, NULL), hgm_store_find(store, "w.3"));
  assert_null(hgm_store_add(store, "w.3", HGM_F32, 0, NULL));
  assert_null(hgm_store_add(store, "w.3", HGM_F64, 1, VECTOR));
  hgm_store_destroy(store);
}

static void another_models_arrays(void **state) {
  (void)state;
  HgmStore *from = some_store(0), *into = hgm_store_create();
  HgmError error = {0};
  HgmArray *w = hgm_store_add(into, "response.step_1.l", HGM_F64, 2, MATRIX); // another precision is fine
  assert_true(hgm_store_copy(into, from, "", "last.h5", &error));
  assert_true(((double *)w->data)[7] == 7);
  ((double *)w->data)[7] = -1;
  assert_non_null(hgm_store_add(into, "response.step_2.l", HGM_F64, 2, MATRIX));
  assert_false(hgm_store_copy(into, from, "", "last.h5", &error));
  assert_string_equal(error.text, "last.h5: has no `response.step_2.l`, which this model needs; it was written by a run of another model");
  assert_int_equal(error.exit_code, 1);
  assert_true(((double *)w->data)[7] == -1); // nothing was half copied
  error = (HgmError){0};
  assert_true(hgm_store_copy(into, from, "response.step_1", "last.h5", &error));
  hgm_store_destroy(into);
  into = hgm_store_create();
  assert_non_null(hgm_store_add(into, "response.step_1.l", HGM_F32, 1, VECTOR));
  assert_false(hgm_store_copy(into, from, "", "last.h5", &error));
  assert_non_null(strstr(error.text, "has the shape (3, 4) there and (5) in this model"));
  hgm_store_destroy(into);
  error = (HgmError){0};
  into = hgm_store_create();
  assert_non_null(hgm_store_add(into, "permutation", HGM_F32, 1, VECTOR));
  assert_false(hgm_store_copy(into, from, "", "last.h5", &error));
  assert_non_null(strstr(error.text, "holds integers there and real numbers in this model"));
  hgm_store_destroy(into);
  hgm_store_destroy(from);
}

static void damaged_checkpoints(void **state) {
  (void)state;
  HgmStore *store = some_store(0), *loaded;
  HgmError error = {0};
  assert_false(hgm_store_load(&loaded, "absent.h5", &error));
  assert_null(loaded);
  assert_non_null(strstr(error.text, "absent.h5: cannot be opened"));
  assert_true(hgm_store_save(store, "cut.h5", NULL, &(HgmError){0}));
  struct stat info;
  assert_int_equal(stat("cut.h5", &info), 0);
  for (off_t size = info.st_size - 1; size > 0; size -= size > 200 ? 191 : 1) { // every place of a cut is reported
    assert_int_equal(truncate("cut.h5", size), 0);
    error = (HgmError){0};
    assert_false(hgm_store_load(&loaded, "cut.h5", &error));
    assert_non_null(strstr(error.text, "cut.h5"));
  }
  unlink("cut.h5");
  hgm_store_destroy(store);
}

// ---- the n-th call fails

typedef struct Faults {
  int countdown;
  bool half;
} Faults;

static bool strikes(Faults *faults, int number) {
  if (--faults->countdown != 0) return false;
  errno = number;
  return true;
}
static ssize_t faulty_write(void *data, int file, const void *bytes, size_t n) {
  Faults *faults = data;
  if (faults->countdown == 1 && faults->half && n > 1) { // half is written, then the disk is full
    faults->half = false;
    return write(file, bytes, n / 2);
  }
  return strikes(faults, ENOSPC) ? -1 : write(file, bytes, n);
}
static int faulty_sync(void *data, int file) { return strikes(data, EIO) ? -1 : fsync(file); }
static int faulty_rename(void *data, const char *from, const char *to) { return strikes(data, EACCES) ? -1 : rename(from, to); }

static void failed_saves_leave_the_old_checkpoint(void **state) {
  (void)state;
  HgmStore *old = some_store(0), *fresh = some_store(100), *loaded;
  const int64_t large[] = {700000}; // several calls of write
  assert_non_null(hgm_store_add(fresh, "large", HGM_F64, 1, large));
  for (int half = 0; half < 2; half++) {
    int failures = 0, kept = 0;
    for (int n = 1;; n++) {
      HgmError error = {0};
      assert_true(hgm_store_save(old, "best.h5", NULL, &error));
      Faults faults = {.countdown = n, .half = half == 1};
      HgmIo io = {.write = faulty_write, .sync = faulty_sync, .rename = faulty_rename, .data = &faults};
      if (hgm_store_save(fresh, "best.h5", &io, &error)) break;
      failures++;
      assert_int_equal(error.exit_code, 2);
      assert_non_null(strstr(error.text, "best.h5"));
      assert_true(strstr(error.text, strerror(ENOSPC)) != NULL || strstr(error.text, strerror(EIO)) != NULL || strstr(error.text, strerror(EACCES)) != NULL);
      HgmError fine = {0};
      double epoch;
      assert_true(hgm_store_load(&loaded, "best.h5", &fine));
      assert_true(hgm_store_number(loaded, "epoch", &epoch) && (epoch == 17 || epoch == 117));
      kept += epoch == 17;
      assert_true(epoch == 17 || strstr(error.text, "directory") != NULL); // the new one only after the rename
      hgm_store_destroy(loaded);
    }
    assert_true(failures >= 9 && kept == failures - 1); // 6 writes, sync, rename; directory
  }
  unlink("best.h5");
  hgm_store_destroy(old);
  hgm_store_destroy(fresh);
}

static void real_full_disk(void **state) {
  (void)state;
  if (access("/dev/full", W_OK) != 0) skip();
  HgmError error = {0};
  HgmIo io = hgm_io_system;
  FILE *full = fopen("/dev/full", "wb");
  assert_false(hgm_io_write_all(&io, fileno(full), "x", 1));
  assert_int_equal(errno, ENOSPC);
  fclose(full);
  HgmStore *store = some_store(0);
  assert_false(hgm_store_save(store, "no/such/folder.h5", NULL, &error));
  assert_non_null(strstr(error.text, strerror(ENOENT)));
  hgm_store_destroy(store);
}

// ---- run directories

static void run_directories_count_up(void **state) {
  (void)state;
  HgmRun *one, *two;
  HgmError error = {0};
  assert_true(hgm_run_create(&one, NULL, "jets", false, false, &error));
  assert_true(hgm_run_create(&two, NULL, "jets", false, false, &error));
  assert_string_equal(hgm_run_path(one), "runs/jets-001");
  assert_string_equal(hgm_run_path(two), "runs/jets-002");
  assert_true(hgm_io_replace(NULL, "runs/jets-002/manifest.json", "{}", 2, &error));
  hgm_run_close(one);
  hgm_run_close(two);
  assert_int_equal(access("runs/jets-001", F_OK), -1); // nothing came into it
  assert_true(hgm_run_create(&one, NULL, "jets", false, false, &error));
  assert_string_equal(hgm_run_path(one), "runs/jets-003");
  hgm_run_close(one);
  assert_int_equal(unlink("runs/jets-002/manifest.json") | unlink("runs/jets-002/lock") | rmdir("runs/jets-002") | rmdir("runs"), 0);
}

static void a_second_run_is_kept_out(void **state) {
  (void)state;
  HgmRun *run, *second;
  HgmError error = {0};
  HgmManifest manifest = {.model = "jets.hgm", .version = "0.1.0", .seed = UINT64_MAX};
  assert_false(hgm_run_create(&run, "a/b", "jets", true, false, &error)); // nothing to resume
  assert_string_equal(error.text, "a/b: holds no run to resume");
  error = (HgmError){0};
  assert_true(hgm_run_create(&run, "a/b/", "jets", false, false, &error));
  assert_string_equal(hgm_run_path(run), "a/b");
  assert_true(hgm_manifest_save("a/b", &manifest, NULL, &error));
  assert_false(hgm_run_create(&second, "a/b", "jets", true, false, &error));
  assert_non_null(strstr(error.text, "a/b: another run works in this directory (process "));
  assert_null(second);
  hgm_run_close(run);
  error = (HgmError){0};
  assert_false(hgm_run_create(&second, "a/b", "jets", false, false, &error));
  assert_non_null(strstr(error.text, "holds a run already; continue it with --resume"));
  error = (HgmError){0};
  assert_true(hgm_run_create(&second, "a/b", "jets", true, false, &error));
  hgm_run_close(second);
  assert_true(hgm_run_create(&second, "a/b", "jets", false, true, &error));
  hgm_run_close(second);
  char found[256];
  assert_true(hgm_run_find("a/b/", found, sizeof found, &error));
  assert_string_equal(found, "a/b");
  assert_true(hgm_run_find("a/b/lock", found, sizeof found, &error));
  assert_string_equal(found, "a/b");
  assert_false(hgm_run_find("a", found, sizeof found, &error));
  assert_non_null(strstr(error.text, "is no run of hgmc"));
  unlink("a/b/lock");
  unlink("a/b/manifest.json");
  rmdir("a/b");
  rmdir("a");
}

static void metrics_grow_and_are_cut_back(void **state) {
  (void)state;
  HgmRun *run;
  HgmError error = {0};
  assert_true(hgm_run_create(&run, "r", "jets", false, false, &error));
  static const char *const names[] = {"epoch", "phase", "train", "valid"};
  for (int line = 0; line < 6; line++) { // two epochs of the first phase, four of the second
    int phase = line >= 2, epoch = phase ? line - 1 : line + 1;
    double values[] = {epoch, phase, 1.0 / epoch, epoch == 3 ? NAN : 0.25};
    assert_true(hgm_run_metrics(run, names, values, 4, NULL, &error));
  }
  FILE *file = fopen("r/metrics.csv", "a");
  fputs("5,1,0.1", file); // a kill in the middle of a line
  fclose(file);
  assert_true(hgm_run_metrics_keep(run, 1, 3, NULL, &error));
  char *text;
  size_t n;
  assert_true(hgm_io_read_file("r/metrics.csv", &text, &n, &error));
  assert_string_equal(text, "epoch,phase,train,valid\n1,0,1,0.25\n2,0,0.5,0.25\n1,1,1,0.25\n2,1,0.5,0.25\n3,1,0.3333333333,\n");
  free(text);
  assert_true(hgm_run_metrics_keep(run, 2, 0, NULL, &error)); // a run that is done stands behind its last phase
  assert_true(hgm_io_read_file("r/metrics.csv", &text, &n, &error));
  assert_non_null(strstr(text, "3,1,0.3333333333,\n"));
  free(text);
  hgm_run_close(run);
  unlink("r/metrics.csv");
  unlink("r/lock");
  rmdir("r");
}

static void manifest_comes_back(void **state) {
  (void)state;
  const HgmFileIdentity files[] = {{.path = "jets \"new\".h5", .bytes = 5000000000, .sha256 = "abc"}};
  const HgmManifestPair columns[] = {{"Jet_pt", "float32"}, {"cells", "float32 (6, 4)"}};
  const HgmManifestPair params[] = {{"beta", "1e-4"}}, sources[] = {{"jets.hgm", "line 1\nτ \\ \"x\"\n"}};
  const HgmManifestData data[] = {{.block = "jets", .role = "train", .files = files, .n_files = 1, .columns = columns, .n_columns = 2, .rows = 150000}};
  const HgmManifest manifest = {.model = "jets.hgm",
                                .version = "0.1.0",
                                .cpu = "some cpu",
                                .command = "hgmc run",
                                .precision = "f32",
                                .seed = 18446744073709551557u,
                                .threads = 2,
                                .sources = sources,
                                .n_sources = 1,
                                .params = params,
                                .n_params = 1,
                                .data = data,
                                .n_data = 1};
  HgmManifest *loaded;
  HgmError error = {0};
  assert_true(hgm_manifest_save(".", &manifest, NULL, &error));
  assert_true(hgm_manifest_load(&loaded, ".", &error));
  assert_string_equal(loaded->sources[0].value, sources[0].value);
  assert_true(loaded->seed == manifest.seed);
  assert_int_equal(loaded->n_data, 1);
  assert_int_equal(loaded->data[0].files[0].bytes, 5000000000);
  assert_string_equal(loaded->data[0].files[0].path, files[0].path);
  assert_string_equal(loaded->data[0].columns[1].value, "float32 (6, 4)");
  assert_int_equal(loaded->data[0].rows, 150000);
  assert_string_equal(loaded->params[0].value, "1e-4");
  assert_int_equal(loaded->n_notes, 0);
  assert_int_equal(strlen(loaded->created), 20);
  hgm_manifest_destroy(loaded);
  unlink("manifest.json");
}

// What was cut off, is of another version, or lacks what whoever reads it relies on, is refused.
static void damaged_manifests(void **state) {
  (void)state;
  const char *whole = "\"manifest\": 1, \"version\": \"0\", \"command\": \"run\", \"cpu\": \"x\", \"precision\": \"f32\", \"model\": \"m.hgm\"";
  const struct {
    const char *text, *says;
  } cases[] = {
      {"{\n\"manifest\": 1,\n", "./manifest.json, line "},
      {"{\"manifest\": 99}", "has the version 99"},
      {"{\"manifest\": 1}", "a `version` is missing"},
      {"{%s, \"model\": null}", "a `model` is missing"},
      {"{%s, \"notes\": [{\"value\": \"x\"}]}", "a `name` is missing"},
      {"{%s, \"sources\": [{\"name\": \"m.hgm\"}]}", "a `value` is missing"},
      {"{%s, \"data\": [{\"role\": \"train\"}]}", "a `block` is missing"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    HgmManifest *loaded;
    HgmError error = {0};
    char text[1024];
    const char *rest = strstr(cases[i].text, "%s");
    if (rest == NULL) snprintf(text, sizeof text, "%s", cases[i].text);
    else snprintf(text, sizeof text, "{%s%s", whole, rest + 2);
    assert_true(hgm_io_replace(NULL, "manifest.json", text, strlen(text), &error));
    assert_false(hgm_manifest_load(&loaded, ".", &error));
    assert_null(loaded);
    if (strstr(error.text, cases[i].says) == NULL) fail_msg("%s: %s", text, error.text);
  }
  unlink("manifest.json");
}

// FIPS 180-4's examples, and every length around the block size fed in pieces.
static void sha256_vectors(void **state) {
  (void)state;
  char text[65], other[65], bytes[300];
  hgm_sha256_of("", 0, text);
  assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  hgm_sha256_of("abc", 3, text);
  assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  hgm_sha256_of(two, strlen(two), text);
  assert_string_equal(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  char *million = malloc(1000000);
  memset(million, 'a', 1000000);
  hgm_sha256_of(million, 1000000, text);
  assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  free(million);
  for (size_t n = 0; n < sizeof bytes; n++) {
    for (size_t i = 0; i < n; i++) bytes[i] = (char)(i * 7 + n);
    hgm_sha256_of(bytes, n, text);
    HgmSha256 sha;
    hgm_sha256_begin(&sha);
    for (size_t at = 0; at < n; at += 13) hgm_sha256_add(&sha, bytes + at, n - at < 13 ? n - at : 13);
    hgm_sha256_end(&sha, other);
    assert_string_equal(text, other);
  }
}

// With and without the processor's instructions, all lengths up to a few blocks, added whole and in pieces.
static void sha256_both_ways(void **state) {
  (void)state;
  uint8_t bytes[300];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 151 + i / 7);
  for (size_t n = 0; n <= sizeof bytes; n++) {
    char whole[65], plain[65];
    hgm_sha256_of(bytes, n, whole);
    HgmSha256 sha;
    hgm_sha256_begin(&sha);
    sha.plain = true;
    hgm_sha256_add(&sha, bytes, n / 3);
    hgm_sha256_add(&sha, bytes + n / 3, n - n / 3);
    hgm_sha256_end(&sha, plain);
    assert_string_equal(whole, plain);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(saved_and_loaded),         cmocka_unit_test(lent_data_are_saved),
      cmocka_unit_test(names_are_one_array_each), cmocka_unit_test(another_models_arrays),
      cmocka_unit_test(damaged_checkpoints),      cmocka_unit_test(failed_saves_leave_the_old_checkpoint),
      cmocka_unit_test(real_full_disk),           cmocka_unit_test(run_directories_count_up),
      cmocka_unit_test(a_second_run_is_kept_out), cmocka_unit_test(metrics_grow_and_are_cut_back),
      cmocka_unit_test(manifest_comes_back),      cmocka_unit_test(damaged_manifests),
      cmocka_unit_test(sha256_vectors),           cmocka_unit_test(sha256_both_ways),
  };
  return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
