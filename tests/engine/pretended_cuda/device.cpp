// A CUDA device for a torch that has none: its memory is the host's, and so are its kernels.
//
// What is true of the real one is true here too. Tensors on it and on the CPU do not mix (numbers and indices but
// excepted), and whoever asks for a number, or copies without `non_blocking`, waits: `waits` counts how often. Autograd,
// autocast and the allocation of new tensors take the ways that they take for CUDA.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/FakeGuardImpl.h>
#include <torch/library.h>

#include <atomic>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

namespace c10::impl {
C10_REGISTER_GUARD_IMPL(CUDA, FakeGuardImpl<DeviceType::CUDA>)
}

namespace {

using at::Tensor;
using c10::IValue;

const c10::Device CUDA(c10::DeviceType::CUDA, 0), CPU(c10::DeviceType::CPU);
std::atomic<long> waited{0};

// Numbers that the host must know before it can go on.
const std::set<std::string> ASK = {
    "aten::_local_scalar_dense", "aten::equal", "aten::masked_select", "aten::nonzero", "aten::_unique2"};

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* at = bytes ? std::aligned_alloc(64, (bytes + 63) / 64 * 64) : nullptr;
    return {at, at, &std::free, CUDA};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
} memory;

// The same numbers in the same place, said to lie on the other device.
Tensor elsewhere(const Tensor& tensor, c10::Device device) {
  if (!tensor.defined() || tensor.device() == device) return tensor;
  const c10::Storage& storage = tensor.storage();
  c10::DataPtr shared(
      storage.data_ptr().get(), new c10::Storage(storage),
      [](void* kept) { delete static_cast<c10::Storage*>(kept); }, device);
  c10::Allocator* allocator = device == CUDA ? static_cast<c10::Allocator*>(&memory) : c10::GetDefaultCPUAllocator();
  Tensor found = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(c10::Storage::use_byte_size_t(), storage.nbytes(), std::move(shared), allocator, true),
      c10::DispatchKeySet(device == CUDA ? c10::DispatchKey::CUDA : c10::DispatchKey::CPU), tensor.dtype());
  found.unsafeGetTensorImpl()->set_storage_offset(tensor.storage_offset());
  found.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides());
  return found;
}

// Every function that has no kernel below: the CPU's, on the same memory.
void by_the_cpu(const c10::OperatorHandle& function, torch::jit::Stack* stack) {
  const auto& schema = function.schema();
  const std::string& name = schema.operator_name().name;
  std::vector<Tensor> theirs, ours;
  bool mixed = false;
  c10::Device wanted = CUDA;
  auto take = [&](const Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (!tensor.is_cuda()) {
      mixed |= tensor.dim() > 0;  // numbers travel with the call
      return tensor;
    }
    for (size_t i = 0; i < theirs.size(); i++)
      if (theirs[i].is_same(tensor)) return ours[i];
    theirs.push_back(tensor);
    ours.push_back(elsewhere(tensor, CPU));
    return ours.back();
  };
  const size_t first = stack->size() - schema.arguments().size();
  for (size_t i = first; i < stack->size(); i++) {
    IValue& value = (*stack)[i];
    if (value.isTensor()) {
      value = take(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> taken;
      for (const Tensor& tensor : value.toTensorVector()) taken.push_back(take(tensor));
      value = taken;
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> taken;
      for (std::optional<Tensor> tensor : value.toOptionalTensorList())
        taken.push_back(tensor ? std::optional<Tensor>(take(*tensor)) : tensor);
      value = taken;
    } else if (value.isDevice()) {
      wanted = value.toDevice();
      value = CPU;
    }
  }
  const bool indexed = name.find("index") != std::string::npos;  // indices may lie on the CPU
  TORCH_CHECK(!mixed || indexed, name, ": tensors of two devices");
  if (mixed || ASK.count(name)) waited++;
  function.callBoxed(stack);
  for (size_t i = 0; i < theirs.size(); i++) {
    if (theirs[i].sizes() == ours[i].sizes()) continue;
    TORCH_CHECK(theirs[i].numel() == 0, name, ": a result had another size");
    const Tensor grown = elsewhere(ours[i], CUDA);
    theirs[i].unsafeGetTensorImpl()->set_storage_keep_dtype(grown.storage());
    theirs[i].unsafeGetTensorImpl()->set_sizes_and_strides(grown.sizes(), grown.strides());
  }
  auto give = [&](const Tensor& tensor) {
    for (size_t i = 0; i < theirs.size(); i++)
      if (ours[i].is_same(tensor)) return theirs[i];  // changed in place
    return elsewhere(tensor, wanted.type() == CUDA.type() ? CUDA : CPU);
  };
  for (size_t i = stack->size() - schema.returns().size(); i < stack->size(); i++) {
    IValue& value = (*stack)[i];
    if (value.isTensor()) {
      value = give(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> given;
      for (const Tensor& tensor : value.toTensorVector()) given.push_back(give(tensor));
      value = given;
    }
  }
}

using Type = std::optional<at::ScalarType>;
using Layout = std::optional<at::Layout>;
using Place = std::optional<at::Device>;
using Pinned = std::optional<bool>;

Tensor empty(at::IntArrayRef size, Type type, Layout, Place, Pinned, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(
      size, &memory, c10::DispatchKeySet(c10::DispatchKey::CUDA), c10::dtype_or_default(type), format);
}

Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, Type type, Layout, Place, Pinned) {
  return at::detail::empty_strided_generic(
      size, stride, &memory, c10::DispatchKeySet(c10::DispatchKey::CUDA), c10::dtype_or_default(type));
}

Tensor& copy_(Tensor& into, const Tensor& from, bool non_blocking) {
  if (into.is_cuda() != from.is_cuda() && !non_blocking && from.numel()) waited++;
  elsewhere(into, CPU).copy_(elsewhere(from, CPU));
  return into;
}

}  // namespace

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&by_the_cpu>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", TORCH_FN(empty));
  library.impl("empty_strided", TORCH_FN(empty_strided));
  library.impl("copy_", TORCH_FN(copy_));
  library.impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
  library.impl("view", TORCH_FN(at::native::view));
  library.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
}

namespace at {

// torch finds it by this very name, when it first asks whether there is CUDA.
struct CUDAHooks : CUDAHooksInterface {
  explicit CUDAHooks(CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex current_device() const override { return 0; }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(DeviceIndex) const override {}
  DeviceIndex exchangeDevice(DeviceIndex) const override { return 0; }
  DeviceIndex maybeExchangeDevice(DeviceIndex) const override { return 0; }
  int getNumGPUs() const override { return 1; }
  Allocator* getPinnedMemoryAllocator() const override { return c10::GetDefaultCPUAllocator(); }
  Generator getNewGenerator(DeviceIndex) const override { return detail::createCPUGenerator(); }
  const Generator& getDefaultGenerator(DeviceIndex) const override { return detail::getDefaultCPUGenerator(); }
};
REGISTER_CUDA_HOOKS(CUDAHooks)

}  // namespace at

extern "C" long waits() { return waited; }
