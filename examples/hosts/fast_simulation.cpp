// The shape of a Geant4 fast-simulation model (G4VFastSimulationModel) without Geant4: a track enters the region, the hook asks whether it
// applies, and where it does the model's answer replaces the tracking. One model for all worker threads, one work space each; the event
// number that the framework gives makes every answer repeatable.
//   c++ -std=c++11 -O2 fast_simulation.cpp libjetsim.a -o fast_simulation
#include <cmath>
#include <cstdio>
#include <vector>

#include "jetsim.h"

struct Track { // what a framework knows of a particle at the region's border
  double pt, eta, phi, mass;
  std::size_t event;
};

struct Step { // what it wants back
  bool killed;
  double pt, eta, phi, mass;
};

class FastSimulation {
public:
  explicit FastSimulation(const jetsim *model) : model_(model), work_(jetsim_work_bytes(model, 1)) {}

  bool applies(const Track &track) const { return track.pt > 15 && std::fabs(track.eta) < 2.5; }

  Step replace(const Track &track) {
    float given[JETSIM_N_GIVEN] = {0}, out[JETSIM_N_OUT];
    given[JETSIM_GIVEN_GenJet_pt] = float(track.pt);
    given[JETSIM_GIVEN_GenJet_eta] = float(track.eta);
    given[JETSIM_GIVEN_GenJet_phi] = float(track.phi);
    given[JETSIM_GIVEN_GenJet_mass] = float(track.mass);
    given[JETSIM_GIVEN_Pileup_nPU] = 30;
    if (jetsim_sample(model_, work_.data(), JETSIM_SEED, track.event, 1, given, out) != 0) return Step{false, 0, 0, 0, 0}; // goes on as before
    return Step{true, out[JETSIM_OUT_Jet_pt], out[JETSIM_OUT_Jet_eta], out[JETSIM_OUT_Jet_phi], out[JETSIM_OUT_Jet_mass]};
  }

private:
  const jetsim *model_;
  std::vector<char> work_; // allocated once: nothing is allocated in the event loop
};

int main() {
  jetsim *model = jetsim_open();
  if (model == NULL) return std::fprintf(stderr, "the model cannot be opened\n"), 1;
  FastSimulation simulation(model);
  int replaced = 0, tracked = 0;
  for (std::size_t event = 0; event < 1000; event++) {
    Track track = {10. + double(event % 90), -3. + double(event % 61) / 10, 0.5, 8, event};
    if (!simulation.applies(track)) {
      tracked++;
      continue;
    }
    Step a = simulation.replace(track), b = simulation.replace(track);
    if (!a.killed || !(a.pt > 0) || a.pt != b.pt) return std::fprintf(stderr, "event %zu does not repeat\n", event), 1;
    replaced++;
  }
  jetsim_close(model);
  std::printf("%d particles replaced, %d tracked in full\n", replaced, tracked);
  return replaced > 0 && tracked > 0 ? 0 : 1;
}
