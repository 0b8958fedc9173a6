#include "levels.h"

#include <cstdlib>

#include "operator.h"

#if defined(DSVL2_X86)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#if defined(DSVL2_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

#if defined(DSVL2_NEON)
#if defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

namespace dsvl2 {
namespace {

#if defined(DSVL2_X86)

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned part) {
  Registers r;
#if defined(_MSC_VER)
  int v[4];
  __cpuidex(v, int(leaf), int(part));
  r = {unsigned(v[0]), unsigned(v[1]), unsigned(v[2]), unsigned(v[3])};
#else
  __get_cpuid_count(leaf, part, &r.a, &r.b, &r.c, &r.d);
#endif
  return r;
}

// Which registers the system saves: without it an instruction set is there and must not be used.
unsigned long long saved_registers() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<unsigned long long>(high) << 32) | low;
#endif
}

bool bit(unsigned value, int position) { return (value >> position) & 1; }

#if defined(DSVL2_AMX)
// Linux makes room for tiles only in threads of a process that has asked for it.
bool may_use_tiles() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

struct Processor {
  bool avx2 = false, avxvnni = false, avx512 = false, amx = false;

  Processor() {
    if (cpuid(0, 0).a < 7) return;
    const Registers one = cpuid(1, 0), seven = cpuid(7, 0);
    if (!bit(one.c, 27)) return;  // no xgetbv
    const unsigned long long saved = saved_registers();
    const bool wide = (saved & 0x06) == 0x06, widest = (saved & 0xe6) == 0xe6;
    avx2 = wide && bit(one.c, 12) && bit(seven.b, 5);  // FMA, AVX2
    avxvnni = avx2 && bit(cpuid(7, 1).a, 4);
    avx512 = avx2 && widest && bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) && bit(seven.b, 31) &&
             bit(seven.c, 11);  // F, DQ, BW, VL, VNNI
#if defined(DSVL2_AMX)
    constexpr unsigned long long kTiles = 0x60000;
    amx = avx512 && (saved & kTiles) == kTiles && bit(seven.d, 22) && bit(seven.d, 24) && bit(seven.d, 25) &&
          bit(cpuid(7, 1).a, 5) && may_use_tiles();  // AMX BF16, TILE and INT8, AVX512_BF16
#endif
  }
};

#endif

#if defined(DSVL2_NEON)
// NEON itself is part of every 64-bit Arm processor.
bool has_dot_products() {
#if defined(__APPLE__)
  int found = 0;
  size_t size = sizeof found;
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &found, &size, nullptr, 0) == 0 && found;
#elif defined(__linux__)
  constexpr unsigned long kDotProducts = 1ul << 20;  // HWCAP_ASIMDDP
  return (getauxval(AT_HWCAP) & kDotProducts) != 0;
#else
  return false;
#endif
}
#endif

std::vector<Level> found_levels() {
  std::vector<Level> found{{"reference", reference::kBlocks, reference::kColumnKernels, reference::kAttention, reference::kRouter,
                            reference::kPlainStep}};
#if defined(DSVL2_X86)
  const Processor processor;
  if (processor.avx2)
    found.push_back({"avx2", avx2::kBlocks, avx2::kColumnKernels, avx2::kAttention, avx2::kRouter, avx2::kPlainStep});
#if defined(DSVL2_AVX_VNNI_BUILT)
  if (processor.avxvnni)
    found.push_back({"avxvnni", avxvnni::kBlocks, avxvnni::kColumnKernels, avx2::kAttention, avx2::kRouter, avx2::kPlainStep});
#endif
  if (processor.avx512)
    found.push_back({"avx512", avx512::kBlocks, avx512::kColumnKernels, avx512::kAttention, avx512::kRouter, avx512::kPlainStep});
#if defined(DSVL2_AMX)
  static BlockKernels blocks = avx512::kBlocks;
  static ColumnKernels columns = avx512::kColumnKernels;
  static AttentionKernels attention = avx512::kAttention;
  blocks.panel_product = amx::panel_product;
  columns.tile_rows = amx::kTileRows;
  columns.piece_bytes = amx::kPieceBytes;
  columns.quantize = amx::quantize_columns;
  columns.pack = amx::pack_columns;
  columns.multiply = amx::multiply_columns;
  attention.patch_scratch = amx::patch_scratch;
  attention.attend_patches = amx::attend_patches;
  attention.rows_scratch = amx::rows_scratch;
  attention.attend_rows = amx::attend_rows;
  if (processor.amx)
    found.push_back({"amx", blocks, columns, attention, avx512::kRouter, avx512::kPlainStep});
#endif
#endif
#if defined(DSVL2_NEON)
  if (has_dot_products())
    found.push_back({"neon", neon::kBlocks, neon::kColumnKernels, neon::kAttention, neon::kRouter, neon::kPlainStep});
#endif
  return found;
}

}  // namespace

const std::vector<Level>& levels() {
  static const std::vector<Level> all = found_levels();
  return all;
}

const Level& chosen_level() {
  const char* const wanted = std::getenv("DSVL2_KERNELS");
  if (!wanted || !*wanted) return levels().back();
  std::string names;
  for (const Level& level : levels()) {
    if (level.name == std::string(wanted)) return level;
    names += (names.empty() ? "" : ", ") + std::string(level.name);
  }
  throw Refused("DSVL2_KERNELS is " + std::string(wanted) + "; this build has on this processor: " + names);
}

}  // namespace dsvl2
