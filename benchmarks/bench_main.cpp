// main() of the timed programs that have nothing else to do.
#include <benchmark/benchmark.h>

#include "flags.h"

int main(int argc, char** argv) {
  equipoise::benchmarks::take_flags(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
