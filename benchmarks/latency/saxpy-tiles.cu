// y = a * x + y, over a batch of tiles.

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
struct View {
  float *data;
  u64 count;
};

__device__ inline u32 word(u64 input, const Column *columns, u32 k, u64 instance) {
  return *(const u32 *)(input + columns[k].offset + instance * columns[k].stride);
}

__device__ inline View view(u64 input, const Column *columns, u32 k, u64 instance, const Buffer *buffers) {
  View view;
  view.data = (float *)buffers[word(input, columns, k, instance)].base + word(input, columns, k + 1, instance);
  view.count = word(input, columns, k + 2, instance);
  return view;
}

__device__ inline float apply(float x, float y, float a) { return a * x + y; }

__device__ inline bool isAligned(const float *data) { return ((u64)data & 15) == 0; }

extern "C" __global__ void saxpy(u64 items, u64 input, u64 order, const Buffer *buffers, u64 bufferCount, Fault *faults,
                                 u32 *faultCount, u64 hits, u64 hitCapacity, u32 *hitCount) {
  __shared__ u64 shared;
  const Column *columns = (const Column *)input;
  for (u64 i = blockIdx.x; i < items; i += gridDim.x) {
    if (threadIdx.x == 0)
      shared = ~0ull;
    __syncthreads();
    const View x = view(input, columns, 0, i, buffers);
    const View y = view(input, columns, 3, i, buffers);
    const float a = __uint_as_float(word(input, columns, 6, i));
    const u64 n = y.count;
    u64 fault = ~0ull;
    if (x.count >= n) {
      // What every index of the loop may access needs no check in it.
      if (isAligned(x.data) && isAligned(y.data)) {
        for (u64 k = threadIdx.x; k < n / 4; k += blockDim.x) {
          const float4 p = ((const float4 *)x.data)[k], q = ((const float4 *)y.data)[k];
          ((float4 *)y.data)[k] =
              make_float4(apply(p.x, q.x, a), apply(p.y, q.y, a), apply(p.z, q.z, a), apply(p.w, q.w, a));
        }
        for (u64 k = n / 4 * 4 + threadIdx.x; k < n; k += blockDim.x)
          y.data[k] = apply(x.data[k], y.data[k], a);
      } else {
        for (u64 k = threadIdx.x; k < n; k += blockDim.x)
          y.data[k] = apply(x.data[k], y.data[k], a);
      }
    } else {
      for (u64 k = threadIdx.x; k < n; k += blockDim.x)
        if (k < x.count)
          y.data[k] = apply(x.data[k], y.data[k], a);
        else
          fault = min(fault, (0x91ull << 32) | k);
    }
    if (fault != ~0ull)
      atomicMin(&shared, fault);
    __syncthreads();
    if (threadIdx.x == 0 && shared != ~0ull)
      faults[atomicAdd(faultCount, 1)] = {(u32)i, (u32)(shared >> 32), (u32)shared, 0};
    __syncthreads();
  }
}
