// An interpreter of sixteen opcodes, each of which stores a word that it computes of three.

typedef unsigned int u32;
typedef unsigned long long u64;

struct Column {
  u32 offset, stride;
};
struct Buffer {
  u64 base, bytes;
  u32 tenants, access;
};
struct Fault {
  u32 slot, code, detail, reserved;
};

struct __align__(16) Slot {
  u32 status, opcode, tenant, order;
  u32 args[12];
};

__device__ inline u32 lcg(u32 x, u32 y) {
  for (int k = 0; k < 16; ++k)
    x = x * 1664525u + y;
  return x;
}

__device__ inline u32 hash(u32 x, u32 z) {
  for (int k = 0; k < 32; ++k)
    x ^= (x << 5) + (x >> 2) + z;
  return x;
}

__device__ inline u32 horner(u32 x, u32 y, u32 z) {
  for (int k = 0; k < 8; ++k)
    y = y * z + x;
  return y;
}

__device__ inline u32 floatMultiplyAdd(u32 x, u32 y, u32 z) {
  return __float_as_uint(__uint_as_float(x) * __uint_as_float(y) + __uint_as_float(z));
}

/// Why the tenant may not write to the buffer; ~0 when it may.
__device__ inline u64 checkBuffer(u32 handle, u32 tenant, const Buffer *buffers, u64 bufferCount) {
  if (handle >= bufferCount || buffers[handle].base == 0)
    return (0x90ull << 32) | handle;
  if (!(buffers[handle].tenants >> tenant & 1))
    return (0x41ull << 32) | handle;
  if (!(buffers[handle].access & 2))
    return (0x92ull << 32) | handle;
  return ~0ull;
}

__device__ inline u64 store(const Slot *slot, u32 value, const Buffer *buffers) {
  const Buffer &out = buffers[slot->args[0]];
  const u32 index = slot->args[1];
  if (index >= out.bytes / 4)
    return (0x91ull << 32) | index;
  ((u32 *)out.base)[index] = value;
  return ~0ull;
}

extern "C" __global__ void interpreter(u64 items, Slot *slots, const u32 *order, const Buffer *buffers, u64 bufferCount,
                                       Fault *faults, u32 *faultCount, u64 hits, u64 hitCapacity, u32 *hitCount) {
  for (u64 item = (u64)blockIdx.x * blockDim.x + threadIdx.x; item < items; item += (u64)gridDim.x * blockDim.x) {
    const u64 first = order ? order[item] : item;
    const uint4 head = *(const uint4 *)(slots + first);
    if (head.w & 0x10000)
      continue;
    const u32 length = max(head.w >> 8 & 0xFF, 1u);
    for (u32 k = 0; k < length; ++k) {
      Slot *slot = slots + first + k;
      const uint4 words = *(const uint4 *)slot->args;
      const u32 tenant = slot->tenant, opcode = slot->opcode;
      const u32 x = words.z, y = words.w, z = slot->args[4];
      u64 fault = tenant > 28 ? (0x40ull << 32) | tenant : ~0ull;
      if (fault == ~0ull) {
        switch (opcode) {
        case 64:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, x + y, buffers);
          break;
        case 65:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, x - y, buffers);
          break;
        case 66:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, x * y + z, buffers);
          break;
        case 67:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, x & y, buffers);
          break;
        case 68:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, x | y, buffers);
          break;
        case 69:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, x ^ y, buffers);
          break;
        case 70:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, min(x, y), buffers);
          break;
        case 71:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, max(x, y), buffers);
          break;
        case 72:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, __popc(x) ^ y, buffers);
          break;
        case 73:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, x > y ? x - z : y + z, buffers);
          break;
        case 74:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, (x << (y & 31)) | (x >> ((32 - y) & 31)), buffers);
          break;
        case 75:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, lcg(x, y), buffers);
          break;
        case 76:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, hash(x, z), buffers);
          break;
        case 77:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, horner(x, y, z), buffers);
          break;
        case 78:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, floatMultiplyAdd(x, y, z), buffers);
          break;
        case 79:
          fault = checkBuffer(words.x, tenant, buffers, bufferCount);
          if (fault == ~0ull)
            fault = store(slot, (x & y) + ((x ^ y) >> 1), buffers);
          break;
        default:
          fault = (0x01ull << 32) | opcode;
        }
      }
      if (fault != ~0ull) {
        faults[atomicAdd(faultCount, 1)] = {(u32)(first + k), (u32)(fault >> 32), (u32)fault, 0};
        slot->args[4] = (u32)(fault >> 32);
        slot->args[5] = (u32)fault;
      }
      slot->status = fault == ~0ull ? 3 : 7;
    }
  }
}
