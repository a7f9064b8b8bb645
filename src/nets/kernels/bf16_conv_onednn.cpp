#include <cstddef>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

#include "core/error.h"
#include "nets/kernels/bf16_conv.h"
#include "nets/kernels/rows.h"

namespace equipoise::nets::kernels {
namespace {

using dnnl::memory;
using Type = memory::data_type;
using Tag = memory::format_tag;

const dnnl::engine& processor() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// Everything a convolution's three primitives are made from.
struct Problem {
  ConvShape shape;
  int64_t kernel;

  auto key() const {
    return std::tuple(shape.batch, shape.height, shape.width, shape.in_channels, shape.out_channels,
                      kernel);
  }
  memory::desc images(int64_t channels, Type type) const {
    return {{shape.batch, channels, shape.height, shape.width}, type, Tag::nhwc};
  }
  memory::desc weights(Type type, Tag tag) const {
    return {{shape.out_channels, shape.in_channels, kernel, kernel}, type, tag};
  }
  memory::desc plain_weights() const { return weights(Type::f32, Tag::oihw); }
  memory::desc bias() const { return {{shape.out_channels}, Type::f32, Tag::x}; }
  memory::dims strides() const { return {1, 1}; }
  memory::dims padding() const { return {kernel / 2, kernel / 2}; }
};

dnnl::primitive_attr own_scratch() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

#if DNNL_VERSION_MAJOR >= 3
Forward::primitive_desc forward_of(const Problem& p) {
  return {processor(),
          dnnl::prop_kind::forward_training,
          kDirect,
          p.images(p.shape.in_channels, Type::bf16),
          p.weights(Type::bf16, Tag::any),
          p.bias(),
          p.images(p.shape.out_channels, Type::f32),
          p.strides(),
          p.padding(),
          p.padding(),
          own_scratch()};
}
BackwardData::primitive_desc backward_data_of(const Problem& p) {
  return {processor(),
          kDirect,
          p.images(p.shape.in_channels, Type::f32),
          p.weights(Type::bf16, Tag::any),
          p.images(p.shape.out_channels, Type::bf16),
          p.strides(),
          p.padding(),
          p.padding(),
          forward_of(p),
          own_scratch()};
}
BackwardWeights::primitive_desc backward_weights_of(const Problem& p) {
  return {processor(),
          kDirect,
          p.images(p.shape.in_channels, Type::bf16),
          p.weights(Type::f32, Tag::any),
          p.images(p.shape.out_channels, Type::bf16),
          p.strides(),
          p.padding(),
          p.padding(),
          forward_of(p),
          own_scratch()};
}
#else
Forward::primitive_desc forward_of(const Problem& p) {
  const Forward::desc desc(
      dnnl::prop_kind::forward_training, kDirect, p.images(p.shape.in_channels, Type::bf16),
      p.weights(Type::bf16, Tag::any), p.bias(), p.images(p.shape.out_channels, Type::f32),
      p.strides(), p.padding(), p.padding());
  return {desc, own_scratch(), processor()};
}
BackwardData::primitive_desc backward_data_of(const Problem& p) {
  const BackwardData::desc desc(
      kDirect, p.images(p.shape.in_channels, Type::f32), p.weights(Type::bf16, Tag::any),
      p.images(p.shape.out_channels, Type::bf16), p.strides(), p.padding(), p.padding());
  return {desc, own_scratch(), processor(), forward_of(p)};
}
BackwardWeights::primitive_desc backward_weights_of(const Problem& p) {
  const BackwardWeights::desc desc(
      kDirect, p.images(p.shape.in_channels, Type::bf16), p.weights(Type::f32, Tag::any),
      p.images(p.shape.out_channels, Type::bf16), p.strides(), p.padding(), p.padding());
  return {desc, own_scratch(), processor(), forward_of(p)};
}
#endif

/// A thread's memory, which only grows.
class Bytes {
 public:
  void* sized(size_t size) {
    if (bytes_.size() < size) bytes_.resize(size);
    return bytes_.data();
  }

 private:
  std::vector<std::byte> bytes_;
};

/// A primitive with handles of what it reads and writes, which are pointed to each call's memory:
/// new ones would cost a small convolution a third of its time.
class Call {
 public:
  using Addresses = std::initializer_list<std::pair<int, const void*>>;
  using Arguments = std::initializer_list<std::pair<int, memory::desc>>;

  Call(dnnl::primitive primitive, const Arguments& arguments) : primitive_(std::move(primitive)) {
    for (const auto& [argument, desc] : arguments)
      memory_.emplace(argument, memory(desc, processor(), nullptr));
  }
  void run(dnnl::stream& stream, const Addresses& addresses) {
    for (const auto& [argument, address] : addresses)
      memory_.at(argument).set_data_handle(const_cast<void*>(address));
    primitive_.execute(stream, memory_);
    stream.wait();
  }
  size_t size_of(int argument) const { return memory_.at(argument).get_desc().get_size(); }

 private:
  dnnl::primitive primitive_;
  std::unordered_map<int, memory> memory_;
};

Call reorder(const memory::desc& from, const memory::desc& to) {
  return {dnnl::reorder({processor(), from, processor(), to}),
          {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}};
}

/// A thread's calls for one problem. The kernels' own orders of the weights differ.
struct Calls {
  explicit Calls(const Problem& p)
      : Calls(p, forward_of(p), backward_data_of(p), backward_weights_of(p)) {}

  /// No convolution is worth calling that is oneDNN's reference implementation.
  bool is_slow = false;
  Call forward, data, weights, pack, pack_for_data, unpack;

 private:
  Calls(const Problem& p, const Forward::primitive_desc& f, const BackwardData::primitive_desc& d,
        const BackwardWeights::primitive_desc& w)
      : is_slow(is_reference(f) || is_reference(d) || is_reference(w)),
        forward(Forward(f), {{DNNL_ARG_SRC, f.src_desc()},
                             {DNNL_ARG_WEIGHTS, f.weights_desc()},
                             {DNNL_ARG_BIAS, f.bias_desc()},
                             {DNNL_ARG_DST, f.dst_desc()},
                             {DNNL_ARG_SCRATCHPAD, f.scratchpad_desc()}}),
        data(BackwardData(d), {{DNNL_ARG_DIFF_DST, d.diff_dst_desc()},
                               {DNNL_ARG_WEIGHTS, d.weights_desc()},
                               {DNNL_ARG_DIFF_SRC, d.diff_src_desc()},
                               {DNNL_ARG_SCRATCHPAD, d.scratchpad_desc()}}),
        weights(BackwardWeights(w), {{DNNL_ARG_SRC, w.src_desc()},
                                     {DNNL_ARG_DIFF_DST, w.diff_dst_desc()},
                                     {DNNL_ARG_DIFF_WEIGHTS, w.diff_weights_desc()},
                                     {DNNL_ARG_SCRATCHPAD, w.scratchpad_desc()}}),
        pack(reorder(p.plain_weights(), f.weights_desc())),
        pack_for_data(reorder(p.plain_weights(), d.weights_desc())),
        unpack(reorder(w.diff_weights_desc(), p.plain_weights())) {}

  template <class Description>
  static bool is_reference(const Description& description) {
    return std::string(description.impl_info_str()).find("ref") != std::string::npos;
  }
};

struct Thread {
  std::map<decltype(Problem{}.key()), std::unique_ptr<Calls>> calls;
  dnnl::stream stream{processor()};
  Bytes packed, scratch, narrow, zeros;

  /// Null where oneDNN has none that is worth calling.
  Calls* find(const Problem& problem) {
    const auto [place, is_new] = calls.try_emplace(problem.key());
    if (is_new) {
      try {
        auto made = std::make_unique<Calls>(problem);
        if (!made->is_slow) place->second = std::move(made);
      } catch (const dnnl::error&) {  // no implementation at all
      }
    }
    return place->second.get();
  }
  Calls& known(const Problem& problem) {
    Calls* const found = find(problem);
    EQUIPOISE_ASSERT(found != nullptr);
    return *found;
  }
  void* scratch_of(const Call& call) { return scratch.sized(call.size_of(DNNL_ARG_SCRATCHPAD)); }
  void* packed_by(const Call& call) { return packed.sized(call.size_of(DNNL_ARG_TO)); }
};

Thread& this_thread() {
  thread_local Thread thread;
  return thread;
}

}  // namespace

bool has_bf16_convolution(const ConvShape& shape, int64_t kernel) {
  return this_thread().find({shape, kernel}) != nullptr;
}

size_t packed_weights_size(const ConvShape& shape, int64_t kernel) {
  return this_thread().known({shape, kernel}).pack.size_of(DNNL_ARG_TO);
}

void pack_weights(const ConvShape& shape, int64_t kernel, const float* weight, void* packed) {
  Thread& thread = this_thread();
  thread.known({shape, kernel})
      .pack.run(thread.stream, {{DNNL_ARG_FROM, weight}, {DNNL_ARG_TO, packed}});
}

void bf16_forward(const ConvShape& shape, int64_t kernel, const uint16_t* x, const float* weight,
                  const float* bias, float* y, const void* packed) {
  Thread& thread = this_thread();
  Calls& calls = thread.known({shape, kernel});
  if (packed == nullptr) {
    void* const here = thread.packed_by(calls.pack);
    pack_weights(shape, kernel, weight, here);
    packed = here;
  }
  if (bias == nullptr)
    bias = static_cast<const float*>(thread.zeros.sized(shape.out_channels * sizeof(float)));
  calls.forward.run(thread.stream, {{DNNL_ARG_SRC, x},
                                    {DNNL_ARG_WEIGHTS, packed},
                                    {DNNL_ARG_BIAS, bias},
                                    {DNNL_ARG_DST, y},
                                    {DNNL_ARG_SCRATCHPAD, thread.scratch_of(calls.forward)}});
}

void bf16_backward(const ConvShape& shape, int64_t kernel, const uint16_t* x, const float* weight,
                   const float* grad_y, const ConvGradients& gradients) {
  Thread& thread = this_thread();
  Calls& calls = thread.known({shape, kernel});
  const int64_t pixels = shape.batch * shape.height * shape.width,
                size = pixels * shape.out_channels;
  if (gradients.bias) sum_rows(pixels, shape.out_channels, grad_y, gradients.bias);
  auto* const narrow = static_cast<uint16_t*>(thread.narrow.sized(size * sizeof(uint16_t)));
  to_bf16(size, grad_y, narrow);
  if (gradients.x) {
    void* const packed = thread.packed_by(calls.pack_for_data);
    calls.pack_for_data.run(thread.stream, {{DNNL_ARG_FROM, weight}, {DNNL_ARG_TO, packed}});
    calls.data.run(thread.stream, {{DNNL_ARG_DIFF_DST, narrow},
                                   {DNNL_ARG_WEIGHTS, packed},
                                   {DNNL_ARG_DIFF_SRC, gradients.x},
                                   {DNNL_ARG_SCRATCHPAD, thread.scratch_of(calls.data)}});
  }
  if (gradients.weight) {
    void* const found = thread.packed.sized(calls.unpack.size_of(DNNL_ARG_FROM));
    calls.weights.run(thread.stream, {{DNNL_ARG_SRC, x},
                                      {DNNL_ARG_DIFF_DST, narrow},
                                      {DNNL_ARG_DIFF_WEIGHTS, found},
                                      {DNNL_ARG_SCRATCHPAD, thread.scratch_of(calls.weights)}});
    calls.unpack.run(thread.stream, {{DNNL_ARG_FROM, found}, {DNNL_ARG_TO, gradients.weight}});
  }
}

}  // namespace equipoise::nets::kernels
