// Memory in the order of streams: an address is known at once, the memory is there from the allocation in its
// stream to the free in its stream. Its bytes count from call to call, as a pool of the driver gives again
// what work before it will have freed.
#include <algorithm>

#include "driver/entry_points.h"
#include "driver/handed_out.h"

namespace simulated {
namespace {

void expect_pools() {
  if (!settings().pools) refuse(CUDA_ERROR_NOT_SUPPORTED, "the device has no memory pools");
}

// Null is no pool of anyone's. A device's own pool is no handle that can be destroyed.
Pool& pool_of(CUmemoryPool handle) {
  expect_pools();
  for (const auto& device : driver().devices)
    for (Pool* pool : device->pools)
      if (static_cast<Handle*>(pool) == reinterpret_cast<Handle*>(handle)) return *pool;
  refuse(CUDA_ERROR_INVALID_HANDLE, "%p is no memory pool", static_cast<void*>(handle));
}

CUdeviceptr allocate(Context& context, Pool& pool, size_t bytes, CUstream handle, const char* call) {
  if (!bytes) refuse(CUDA_ERROR_INVALID_VALUE, "0 bytes");
  Device& device = context.device;
  const auto stream = stream_of(context, handle);
  if (pool.device != &device)
    refuse(CUDA_ERROR_INVALID_VALUE, "the pool is of device %d, the stream of device %d",
           pool.device->ordinal, device.ordinal);
  const size_t unused = pool.reserved - pool.used;
  if (bytes > unused && bytes - unused > device.free_memory()) {
    // What other pools do not use is taken from them.
    for (Pool* other : device.pools)
      if (other != &pool) other->trim(0);
    if (bytes - unused > device.free_memory()) refuse(CUDA_ERROR_OUT_OF_MEMORY);
  }
  pool.used += bytes;
  pool.used_high = std::max(pool.used_high, pool.used);
  pool.reserved = std::max(pool.reserved, pool.used);
  pool.reserved_high = std::max(pool.reserved_high, pool.reserved);
  const uint64_t address = GlobalMemory::reserve(bytes, MemoryKind::device);
  driver().addresses.add(
      {.base = address, .bytes = bytes, .kind = HandedOut::Kind::pool, .device = &device, .pool = &pool});
  device.give(*stream, {.call = call, .run = [&device, address, bytes] {
                          DeviceMemory::Open(device.memory)->add(address, bytes, MemoryKind::device);
                        }});
  return address;
}

CUresult allocate_async(CUdeviceptr* address, size_t bytes, CUstream stream) {
  return call_in_context("cuMemAllocAsync", [&](Context& context, Lock&) {
    expect_pools();
    expect_pointer(address, "dptr");
    *address = allocate(context, *context.device.pool, bytes, stream, "cuMemAllocAsync");
  });
}

CUresult allocate_from_pool(CUdeviceptr* address, size_t bytes, CUmemoryPool pool, CUstream stream) {
  return call_in_context("cuMemAllocFromPoolAsync", [&](Context& context, Lock&) {
    expect_pointer(address, "dptr");
    *address = allocate(context, pool_of(pool), bytes, stream, "cuMemAllocFromPoolAsync");
  });
}

CUresult free_async(CUdeviceptr address, CUstream handle) {
  return call_in_context("cuMemFreeAsync", [&](Context& context, Lock&) {
    expect_pools();
    const auto stream = stream_of(context, handle);
    HandedOut& memory = memory_to_free(address);
    if (memory.device != &context.device ||
        (memory.kind != HandedOut::Kind::pool && memory.kind != HandedOut::Kind::device))
      refuse(CUDA_ERROR_INVALID_VALUE, "it is no device memory of device %d", context.device.ordinal);
    memory.freed = true;
    (memory.pool ? memory.pool->used : context.device.allocated) -= memory.bytes;
    context.device.give(*stream, {.call = "cuMemFreeAsync", .run = [&device = context.device, address] {
                                    DeviceMemory::Open(device.memory)->remove(address);
                                  }});
  });
}

CUresult get_default(CUmemoryPool* pool, CUdevice device) {
  return call("cuDeviceGetDefaultMemPool", [&](Lock&) {
    expect_pools();
    *pool = to_api<CUmemoryPool>(&device_of(device).default_pool);
  });
}

CUresult get_current(CUmemoryPool* pool, CUdevice device) {
  return call("cuDeviceGetMemPool", [&](Lock&) {
    expect_pools();
    *pool = to_api<CUmemoryPool>(device_of(device).pool);
  });
}

CUresult set_current(CUdevice device, CUmemoryPool pool) {
  return call("cuDeviceSetMemPool", [&](Lock&) { device_of(device).pool = &pool_of(pool); });
}

CUresult create(CUmemoryPool* handle, const CUmemPoolProps* properties) {
  return call("cuMemPoolCreate", [&](Lock&) {
    expect_pools();
    expect_pointer(handle, "pool");
    expect_pointer(properties, "poolProps");
    if (properties->allocType != CU_MEM_ALLOCATION_TYPE_PINNED)
      refuse(CUDA_ERROR_INVALID_VALUE, "allocType is to be CU_MEM_ALLOCATION_TYPE_PINNED");
    if (properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
      refuse(CUDA_ERROR_INVALID_VALUE, "location.type is to be CU_MEM_LOCATION_TYPE_DEVICE");
    if (properties->handleTypes != CU_MEM_HANDLE_TYPE_NONE)
      refuse(CUDA_ERROR_NOT_SUPPORTED, "the simulated driver does not share pools between processes");
    Device& device = device_of(properties->location.id);
    const auto pool = std::make_shared<Pool>(&device);
    device.pools.push_back(pool.get());
    *handle = to_api<CUmemoryPool>(keep(pool));
  });
}

CUresult destroy(CUmemoryPool handle) {
  return call("cuMemPoolDestroy", [&](Lock&) {
    Pool& pool = pool_of(handle);
    Device& device = *pool.device;
    if (&pool == &device.default_pool) refuse(CUDA_ERROR_INVALID_VALUE, "it is a device's default pool");
    if (pool.used)
      refuse(CUDA_ERROR_INVALID_VALUE, "%zu bytes of it are in use", static_cast<size_t>(pool.used));
    if (device.pool == &pool) device.pool = &device.default_pool;
    std::erase(device.pools, &pool);
    drop(&pool);
  });
}

uint64_t* counter(Pool& pool, CUmemPool_attribute attribute) {
  switch (attribute) {
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      return &pool.threshold;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
      return &pool.reserved;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      return &pool.reserved_high;
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
      return &pool.used;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      return &pool.used_high;
    default:
      return nullptr;
  }
}

bool is_reuse(CUmemPool_attribute attribute) {
  return attribute == CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES ||
         attribute == CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC ||
         attribute == CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES;
}

CUresult set_attribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
  return call("cuMemPoolSetAttribute", [&](Lock&) {
    Pool& pool = pool_of(handle);
    expect_pointer(value, "value");
    if (is_reuse(attribute)) {
      pool.reuse[attribute] = *static_cast<const int*>(value);
      return;
    }
    uint64_t* const target = counter(pool, attribute);
    const uint64_t number = target ? *static_cast<const cuuint64_t*>(value) : 0;
    const bool high =
        attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH || attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH;
    if (attribute != CU_MEMPOOL_ATTR_RELEASE_THRESHOLD && !(high && number == 0))
      refuse(CUDA_ERROR_INVALID_VALUE, "attribute %d cannot be set to this", attribute);
    *target = number;
  });
}

CUresult get_attribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
  return call("cuMemPoolGetAttribute", [&](Lock&) {
    Pool& pool = pool_of(handle);
    expect_pointer(value, "value");
    if (is_reuse(attribute))
      *static_cast<int*>(value) = pool.reuse.contains(attribute) ? pool.reuse[attribute] : 1;
    else if (const uint64_t* source = counter(pool, attribute))
      *static_cast<cuuint64_t*>(value) = *source;
    else
      refuse(CUDA_ERROR_INVALID_VALUE, "there is no attribute %d", attribute);
  });
}

CUresult trim_to(CUmemoryPool handle, size_t keep) {
  return call("cuMemPoolTrimTo", [&](Lock&) { pool_of(handle).trim(keep); });
}

CUresult set_access(CUmemoryPool handle, const CUmemAccessDesc* access, size_t count) {
  return call("cuMemPoolSetAccess", [&](Lock&) {
    const Pool& pool = pool_of(handle);
    for (size_t i = 0; i < count; ++i)
      if (&device_of(access[i].location.id) != pool.device)
        refuse(CUDA_ERROR_INVALID_DEVICE, "device %d cannot access device %d", access[i].location.id,
               pool.device->ordinal);
  });
}

}  // namespace

EntryPoints pool_entries() {
  static const EntryPoint entries[] = {
      ENTRY(cuMemAllocAsync, 11020, allocate_async),
      ENTRY(cuMemAllocFromPoolAsync, 11020, allocate_from_pool),
      ENTRY(cuMemFreeAsync, 11020, free_async),
      ENTRY(cuDeviceGetDefaultMemPool, 11020, get_default),
      ENTRY(cuDeviceGetMemPool, 11020, get_current),
      ENTRY(cuDeviceSetMemPool, 11020, set_current),
      ENTRY(cuMemPoolCreate, 11020, create),
      ENTRY(cuMemPoolDestroy, 11020, destroy),
      ENTRY(cuMemPoolSetAttribute, 11020, set_attribute),
      ENTRY(cuMemPoolGetAttribute, 11020, get_attribute),
      ENTRY(cuMemPoolTrimTo, 11020, trim_to),
      ENTRY(cuMemPoolSetAccess, 11020, set_access),
  };
  return entries;
}

}  // namespace simulated
