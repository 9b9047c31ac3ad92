// The scalar works for ADOL-C, called by peer_adolc.py: `record` writes the tape, `gradient_of` and `value_of` read it.

#include <adolc/adouble.h>
#include <adolc/drivers/drivers.h>
#include <adolc/taping.h>

#include <array>
#include <string>
#include <vector>

namespace {

using Scalars = std::vector<adouble>;

constexpr short TAPE = 1;
constexpr double STEP = 0.002;

adouble square(const adouble& a) { return a * a; }

adouble rosenbrock(const Scalars& x) {
  adouble sum = 0;
  for (size_t i = 0; i + 1 < x.size(); i += 2) {
    sum += 100 * square(x[i + 1] - square(x[i])) + square(1 - x[i]);
  }
  return sum;
}

adouble logsumexp(const Scalars& x) {
  adouble sum = 0;
  for (const adouble& each : x) sum += exp(each);
  return log(sum);
}

adouble mixture(const Scalars& x, const long* sizes, const double* data) {
  const long n = sizes[0], k = sizes[1], d = sizes[2];
  const adouble* means = &x[k];
  const adouble* scales = means + k * d;
  Scalars factors(k * d), weights(k);
  for (long i = 0; i < k; i++) {
    weights[i] = x[i];
    for (long j = 0; j < d; j++) {
      factors[i * d + j] = exp(scales[i * d + j]);
      weights[i] += scales[i * d + j];
    }
  }
  adouble total = 0;
  for (long p = 0; p < n; p++) {
    adouble density = 0;
    for (long i = 0; i < k; i++) {
      adouble squares = 0;
      for (long j = 0; j < d; j++) {
        squares += square((data[p * d + j] - means[i * d + j]) * factors[i * d + j]);
      }
      density += exp(weights[i] - 0.5 * squares);
    }
    total += log(density);
  }
  return total;
}

adouble lorenz(const Scalars& x, long steps) {
  using State = std::array<adouble, 3>;
  auto slope = [&](const State& s) {
    return State{x[3] * (s[1] - s[0]), s[0] * (x[4] - s[2]) - s[1], s[0] * s[1] - x[5] * s[2]};
  };
  State s{x[0], x[1], x[2]};
  for (long step = 0; step < steps; step++) {
    auto moved = [&](const State& k, double h) {
      return State{s[0] + h * k[0], s[1] + h * k[1], s[2] + h * k[2]};
    };
    const State k1 = slope(s), k2 = slope(moved(k1, STEP / 2));
    const State k3 = slope(moved(k2, STEP / 2)), k4 = slope(moved(k3, STEP));
    for (int i = 0; i < 3; i++) s[i] += STEP / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
  }
  return square(s[0]) + square(s[1]) + square(s[2]);
}

adouble chain(const Scalars& x) {
  adouble sum = 0;
  for (size_t i = 0; i + 1 < x.size(); i++) {
    const adouble apart = square(x[i + 1] - x[i]);
    sum += sin(x[i] * x[i + 1]) * exp(-apart) + 0.5 * apart;
  }
  return sum;
}

}  // namespace

// Sizes: those of the mixture, or the steps. Returns whether the work is known.
extern "C" int record(const char* name, int n, const double* at, const long* sizes, const double* data) {
  const std::string work = name;
  trace_on(TAPE);
  Scalars x(n);
  for (int i = 0; i < n; i++) x[i] <<= at[i];
  adouble f = 0;
  bool known = true;
  if (work == "rosenbrock") f = rosenbrock(x);
  else if (work == "logsumexp") f = logsumexp(x);
  else if (work == "mixture") f = mixture(x, sizes, data);
  else if (work == "lorenz") f = lorenz(x, sizes[0]);
  else if (work == "chain") f = chain(x);
  else known = false;
  double value;
  f >>= value;
  trace_off();
  return known;
}

extern "C" void gradient_of(int n, const double* x, double* g) { gradient(TAPE, n, x, g); }
