// Which instruction set's kernels run: the highest that was built and that the processor has, or the one that
// DSVL2_KERNELS names.
#pragma once
#include <string>
#include <vector>

#include "attention.h"
#include "blocks.h"
#include "columns.h"
#include "plain_step_kernels.h"
#include "router_kernels.h"

namespace dsvl2 {

struct Level {
  const char* name;
  const BlockKernels& blocks;
  const ColumnKernels& columns;
  const AttentionKernels& attention;
  const RouterKernels& router;
  const PlainStepKernels& plain_step;
};

// What can run here, the plain reference first and the fastest last.
const std::vector<Level>& levels();

// Throws Refused where DSVL2_KERNELS names a level that there is not.
const Level& chosen_level();

}  // namespace dsvl2
