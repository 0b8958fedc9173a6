#include "experts.h"

#include <thread>

#include "records.h"

namespace dsvl2 {
namespace {

constexpr size_t kTokensAtATime = 16;
constexpr size_t kMostChosen = 256;
// Of gates and ups, and of the output, in one task of a few tokens, which are bound by memory: a task that begins waits for
// its first lines.
constexpr size_t kBlocksTogether = 4, kPanelsTogether = 16;

}  // namespace

// Sizes follow from the weights' shapes, and the weights are then checked against them.
Experts::Sizes Experts::sizes_of(const Info& info) {
  const Tensor gate_up = info.constant(3, ort::kUint8, "gate_up"), down = info.constant(5, ort::kUint8, "down");
  require(gate_up.rank() == 3 && down.rank() == 3, std::string(kName) + ": gate_up and down have the shapes " + gate_up.shape() +
                                                       " and " + down.shape() + "; both must have three axes");
  require(gate_up.dim(1) % 2 == 0, std::string(kName) + ": gate_up has an odd number of rows");
  return {gate_up.dim(0), down.dim(1), gate_up.dim(1) / 2, size_t(info.attribute("bits", 4, 8)),
          size_t(info.attribute("block_size", 16, kLargestBlock))};
}

Experts::Experts(const Info& info) : Experts(info, sizes_of(info)) {}

Experts::Experts(const Info& info, const Sizes& s)
    : kernels_(chosen_level().blocks),
      k_(size_t(info.attribute("k", 1, kMostChosen))),
      gate_up_(info, 3, "gate_up", s.experts, 2 * s.intermediate, s.hidden, s.bits, s.block),
      down_(info, 5, "down", s.experts, s.hidden, s.intermediate, s.bits, s.block),
      norm_(info, 7, s.hidden) {
  require(k_ <= s.experts, std::string(kName) + ": k is " + std::to_string(k_) + ", but there are " + std::to_string(s.experts) +
                               " experts");
  require(s.intermediate % s.block == 0, std::string(kName) + ": blocks of " + std::to_string(s.block) +
                                             " do not divide an intermediate size of " + std::to_string(s.intermediate));
  if (info.has_constant(9)) router_ = std::make_unique<const Router>(info, 9, 10, s.hidden, s.experts, k_);
}

std::vector<Choice> Experts::given_choices(const Context& context, size_t tokens) const {
  const Tensor choice = context.input(1, ort::kFloat, "choice"), weights = context.input(2, ort::kFloat, "weights");
  const size_t experts = gate_up_.count;
  for (const Tensor* t : {&choice, &weights})
    require(t->rank() == 2 && t->dim(0) == tokens && t->dim(1) == experts,
            std::string(kName) + ": the router's values have the shape " + t->shape() + ", but there are " + std::to_string(tokens) +
                " tokens and " + std::to_string(experts) + " experts");
  std::vector<Choice> choices(tokens * k_);
  context.parallel((tokens + kTokensAtATime - 1) / kTokensAtATime, [&](size_t task) {
    std::vector<int32_t> best;
    for (size_t t = task * kTokensAtATime; t < std::min(tokens, (task + 1) * kTokensAtATime); ++t) {
      highest(choice.as<float>() + t * experts, experts, k_, best);
      for (size_t i = 0; i < k_; ++i) choices[t * k_ + i] = {best[i], weights.as<float>()[t * experts + size_t(best[i])]};
    }
  });
  return choices;
}

Experts::Routes Experts::routes_of(const std::vector<Choice>& choices, size_t tokens) const {
  const size_t experts = gate_up_.count;
  Routes routes;
  routes.first.assign(experts + 1, 0);
  for (const Choice& choice : choices) ++routes.first[size_t(choice.expert) + 1];
  for (size_t e = 0; e < experts; ++e) routes.first[e + 1] += routes.first[e];
  routes.all.resize(choices.size());
  routes.places.resize(choices.size());
  std::vector<size_t> next(routes.first.begin(), routes.first.end() - 1);
  for (size_t t = 0; t < tokens; ++t)
    for (size_t i = 0; i < k_; ++i) {
      const Choice& choice = choices[t * k_ + i];
      routes.places[t * k_ + i] = next[size_t(choice.expert)];
      routes.all[next[size_t(choice.expert)]++] = {int32_t(t), choice.weight};
    }
  return routes;
}

std::vector<Experts::Piece> Experts::pieces(const Routes& routes) const {
  const size_t stride = std::max(gate_up_.layout().stride, down_.layout().stride);
  std::vector<Piece> all;
  for (size_t e = 0; e < gate_up_.count; ++e) {
    const size_t n = routes.of(e), count = pieces_of(n, stride), piece = (n + count - 1) / count;
    for (size_t first = 0; first < n; first += piece) all.push_back({e, routes.first[e] + first, std::min(piece, n - first)});
  }
  return all;
}

void Experts::compute(const Context& context) const {
  const std::string name = kName;
  const Tensor given = context.input(0, ort::kFloat, "x");
  const size_t hidden = gate_up_.in_features, block = down_.block;
  require(given.rank() > 0 && given.dim(given.rank() - 1) == hidden,
          name + ": x has the shape " + given.shape() + ", but the experts take " + std::to_string(hidden) + " features");
  const size_t tokens = given.rows();
  require(tokens < size_t(std::numeric_limits<int32_t>::max()), name + ": too many tokens");
  norm_.check(context);
  const Tensor added = context.optional_input(8, ort::kFloat, "the residual");
  require(!added.data || added.dims == given.dims, name + ": the residual has the shape " + added.shape());
  const float* const residual = added.as<float>();
  for (const size_t index : {size_t(1), size_t(2)})
    require(context.has_input(index) != bool(router_), name + ": it takes either choice and weights, or a constant gate");
  float* const y = context.output(given.dims);
  if (tokens == 0) return;

  Buffer<float> normed(norm_ ? product(name, {tokens, hidden}) : 0);
  if (norm_)
    context.parallel((tokens + kTokensAtATime - 1) / kTokensAtATime, [&](size_t task) {
      for (size_t t = task * kTokensAtATime; t < std::min(tokens, (task + 1) * kTokensAtATime); ++t)
        norm_.row(given.as<float>() + t * hidden, normed.data() + t * hidden);
    });
  const float* const x = norm_ ? normed.data() : given.as<float>();
  const Routes routes = routes_of(router_ ? router_->route(context, x, tokens) : given_choices(context, tokens), tokens);
  const std::vector<Piece> all = pieces(routes);
  for (const Piece& piece : all) gate_up_.matrix(piece.expert), down_.matrix(piece.expert);  // refused before any work

  // A record for each route, so that those of an expert lie one behind the other.
  Records outer(gate_up_.layout(), routes.all.size()), inner(down_.layout(), routes.all.size());
  context.parallel((tokens + kTokensAtATime - 1) / kTokensAtATime, [&](size_t task) {
    for (size_t t = task * kTokensAtATime; t < std::min(tokens, (task + 1) * kTokensAtATime); ++t) {
      const size_t* const places = routes.places.data() + t * k_;
      uint8_t* const record = outer.clear(places[0]);
      kernels_.quantize(x + t * hidden, hidden, outer.layout, 0, record);
      for (size_t i = 1; i < k_; ++i) std::memcpy(outer.record(places[i]), record, outer.layout.stride);
      for (size_t i = 0; i < k_; ++i) inner.clear(places[i]);
      if (residual)
        std::copy_n(residual + t * hidden, hidden, y + t * hidden);
      else
        std::fill_n(y + t * hidden, hidden, 0.f);
    }
  });

  // Gate and up of some blocks of the intermediate features, activated and quantised at once.
  const size_t blocks = inner.layout.blocks, together = tokens <= kFewRows ? kBlocksTogether : 1;
  const size_t groups = (blocks + together - 1) / together;
  context.parallel(all.size() * groups, [&](size_t task) {
    const Piece& piece = all[task / groups];
    const size_t begin = task % groups * together, end = std::min(blocks, begin + together), first_row = begin * block * 2;
    const Weights w = gate_up_.matrix(piece.expert);
    const size_t pair = 2 * block, ld = (end - begin) * pair;
    float* const both = float_scratch(piece.count * ld + 2 * pair);
    float *const row = both + piece.count * ld, *const apart = row + pair;
    const bool few = piece.count <= few_rows(gate_up_.bits);
    if (few) {
      const uint8_t* some[kFewRows];
      for (size_t r = 0; r < piece.count; ++r) some[r] = outer.record(piece.first + r);
      kernels_.row_products(w, first_row, ld, outer.layout, some, piece.count, both, ld);
    } else {
      // A panel of 32 rows gives 16 gates and then 16 ups.
      for (size_t i = 0; i < ld; i += kPanel)
        kernels_.panel_product(w, {first_row + i, true}, outer.layout, outer.record(piece.first), piece.count, both + i, ld,
                               kPanel, panel_scratch());
    }
    for (size_t r = 0; r < piece.count; ++r)
      for (size_t b = begin; b < end; ++b) {
        const float* const at = both + r * ld + (b - begin) * pair;
        if (few) {  // g0, u0, g1, u1, ..
          for (size_t i = 0; i < block; ++i) apart[i] = at[2 * i], apart[block + i] = at[2 * i + 1];
          kernels_.swiglu(apart, apart + block, block, row);
        } else {
          for (size_t i = 0; i < block; i += kPanel / 2) kernels_.swiglu(at + 2 * i, at + 2 * i + kPanel / 2, kPanel / 2, row + i);
        }
        kernels_.quantize(row, block, inner.layout, b, inner.record(piece.first + r));
      }
  });

  // Some columns of the output. Experts add to a token in their order: a task waits for the one of the expert before, which
  // has begun already, as tasks begin in order. Few tokens are bound by memory and take more columns at a time.
  const size_t panels = tokens <= kFewRows ? kPanelsTogether : tokens <= kWaiting ? 4 : 1;
  const size_t width = panels * kPanel, parts = (hidden + width - 1) / width;
  std::vector<std::atomic<size_t>> turn(parts);
  for (auto& t : turn) t = 0;
  std::atomic<bool> stopped{false};  // where memory ran out, nobody waits for what will not come
  const auto work = [&](size_t task) {
    const size_t index = task / parts, part = task % parts, column = part * width, columns = std::min(width, hidden - column);
    const Piece& piece = all[index];
    const Weights w = down_.matrix(piece.expert);
    float* const c = float_scratch(piece.count * width);
    if (piece.count <= few_rows(down_.bits)) {
      const uint8_t* some[kFewRows];
      for (size_t r = 0; r < piece.count; ++r) some[r] = inner.record(piece.first + r);
      kernels_.row_products(w, column, columns, inner.layout, some, piece.count, c, width);
    } else {
      for (size_t at = 0; at < columns; at += kPanel)
        kernels_.panel_product(w, {column + at, false}, inner.layout, inner.record(piece.first), piece.count, c + at, width,
                               std::min(kPanel, columns - at), panel_scratch());
    }
    while (turn[part].load(std::memory_order_acquire) != index) {
      if (stopped.load(std::memory_order_relaxed)) return;
      std::this_thread::yield();
    }
    for (size_t r = 0; r < piece.count; ++r) {
      const Route& route = routes.all[piece.first + r];
      kernels_.add_scaled(c + r * width, route.weight, columns, y + size_t(route.token) * hidden + column);
    }
    turn[part].store(index + 1, std::memory_order_release);
  };
  context.parallel(all.size() * parts, [&](size_t task) {
    try {
      work(task);
    } catch (...) {
      stopped = true;
      throw;
    }
  });
}

}  // namespace dsvl2
