// A C++ host with 8 threads that calls event by event. Which thread draws an event never shows: event k is a function of the seed and k.
//   c++ -std=c++11 -O2 threads.cpp libjetsim.a -pthread -o threads
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "jetsim.h"

static const std::size_t n_events = 4000, n_threads = 8;

// Some generator jet for event k.
static void condition(std::size_t k, float *given) {
  for (int i = 0; i < JETSIM_N_GIVEN; i++) given[i] = 0;
  given[JETSIM_GIVEN_GenJet_pt] = 30.f + float(k % 200);
  given[JETSIM_GIVEN_GenJet_eta] = -2.f + float(k % 41) / 10.f;
  given[JETSIM_GIVEN_GenJet_phi] = -3.f + float(k % 61) / 10.f;
  given[JETSIM_GIVEN_GenJet_mass] = 5.f + float(k % 17);
  given[JETSIM_GIVEN_Pileup_nPU] = float(20 + k % 30);
}

int main() {
  jetsim *model = jetsim_open();
  if (model == NULL) return std::fprintf(stderr, "the model cannot be opened\n"), 1;
  std::vector<float> given(n_events * JETSIM_N_GIVEN), once(n_events * JETSIM_N_OUT), singly(n_events * JETSIM_N_OUT);
  for (std::size_t k = 0; k < n_events; k++) condition(k, &given[k * JETSIM_N_GIVEN]);
  std::vector<char> work(jetsim_work_bytes(model, n_events));
  if (jetsim_sample(model, work.data(), JETSIM_SEED, 0, n_events, given.data(), once.data()) != 0) return 1;

  std::vector<int> failures(n_threads, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < n_threads; t++)
    threads.emplace_back([&, t] {
      std::vector<char> own(jetsim_work_bytes(model, 1));
      for (std::size_t k = t; k < n_events; k += n_threads)
        failures[t] += jetsim_sample(model, own.data(), JETSIM_SEED, k, 1, &given[k * JETSIM_N_GIVEN], &singly[k * JETSIM_N_OUT]) != 0;
    });
  for (std::size_t t = 0; t < n_threads; t++) threads[t].join();
  jetsim_close(model);

  std::size_t different = 0;
  for (std::size_t i = 0; i < once.size(); i++) different += once[i] != singly[i];
  for (std::size_t t = 0; t < n_threads; t++)
    if (failures[t] != 0) return std::fprintf(stderr, "%d calls failed in thread %zu\n", failures[t], t), 1;
  std::printf("%zu events from %zu threads, %zu of %zu numbers differ from one call\n", n_events, n_threads, different, once.size());
  return different == 0 ? 0 : 1;
}
