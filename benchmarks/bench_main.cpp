// main() of the timed programs that have nothing else to do.
#include <benchmark/benchmark.h>

#include "core/process.h"

int main(int argc, char** argv) {
  equipoise::set_up_process();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
