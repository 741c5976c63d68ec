// The work of kernels.mlir, written by hand: what the generated code is measured against.
//
//   nvcc -ptx -arch=sm_90 -O3 -fmad=false kernels.cu -o kernels.ptx
//
// One CTA of 256 threads works on one tile. Tiles stand in a table, and each kernel is there three times: for tiles of
// any size, and for tiles of 4096 and 32768 elements, in which case the table is not read. The caller promises that
// tiles begin at a multiple of 16 bytes and have a multiple of that size, that buffers do not overlap, and that nothing
// is out of range. Without contraction the results are those of the opcodes bit for bit, except for the order of sums.
typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned char u8;

struct Tile {
  u32 offset, count;
};

constexpr int threads = 256;

template <u32 Count> __device__ Tile tile(const Tile *tiles) {
  return Count == 0 ? tiles[blockIdx.x] : Tile{blockIdx.x * Count, Count};
}

template <u32 Count>
__device__ void saxpy(const Tile *tiles, const float *__restrict__ x, float *__restrict__ y, float a) {
  Tile t = tile<Count>(tiles);
  auto *from = reinterpret_cast<const float4 *>(x + t.offset);
  auto *to = reinterpret_cast<float4 *>(y + t.offset);
#pragma unroll 4
  for (u32 i = threadIdx.x; i < t.count / 4; i += threads) {
    float4 p = from[i], q = to[i];
    q.x += a * p.x;
    q.y += a * p.y;
    q.z += a * p.z;
    q.w += a * p.w;
    to[i] = q;
  }
}

__device__ float chainStep(float z, float y, float a) {
  z = (z + y) * y;
  return (z > 0.0f ? z : 0.0f) * a;
}

template <u32 Count>
__device__ void chain(const Tile *tiles, const float *__restrict__ x, const float *__restrict__ y,
                      float *__restrict__ z, float a) {
  Tile t = tile<Count>(tiles);
  auto *px = reinterpret_cast<const float4 *>(x + t.offset);
  auto *py = reinterpret_cast<const float4 *>(y + t.offset);
  auto *pz = reinterpret_cast<float4 *>(z + t.offset);
#pragma unroll 4
  for (u32 i = threadIdx.x; i < t.count / 4; i += threads) {
    float4 p = px[i], q = py[i], r;
    r.x = chainStep(chainStep(p.x, q.x, a), q.x, a);
    r.y = chainStep(chainStep(p.y, q.y, a), q.y, a);
    r.z = chainStep(chainStep(p.z, q.z, a), q.z, a);
    r.w = chainStep(chainStep(p.w, q.w, a), q.w, a);
    pz[i] = r;
  }
}

template <u32 Count>
__device__ void dot(const Tile *tiles, const float *__restrict__ x, const float *__restrict__ y,
                    float *__restrict__ out) {
  __shared__ float sums[threads / 32];
  Tile t = tile<Count>(tiles);
  auto *px = reinterpret_cast<const float4 *>(x + t.offset);
  auto *py = reinterpret_cast<const float4 *>(y + t.offset);
  float sum = 0;
#pragma unroll 4
  for (u32 i = threadIdx.x; i < t.count / 4; i += threads) {
    float4 p = px[i], q = py[i];
    sum += p.x * q.x + p.y * q.y + (p.z * q.z + p.w * q.w);
  }
  for (int distance = 16; distance != 0; distance /= 2)
    sum += __shfl_down_sync(~0u, sum, distance);
  if (threadIdx.x % 32 == 0)
    sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < threads / 32) {
    sum = sums[threadIdx.x];
    for (int distance = threads / 64; distance != 0; distance /= 2)
      sum += __shfl_down_sync(0xFF, sum, distance);
    if (threadIdx.x == 0)
      out[blockIdx.x] = sum;
  }
}

template <u32 Count>
__device__ void stencil(const Tile *tiles, const float *__restrict__ x, float *__restrict__ z, float c0, float c1,
                        float c2) {
  Tile t = tile<Count>(tiles);
  auto *px = reinterpret_cast<const float4 *>(x + t.offset);
  auto *pz = reinterpret_cast<float4 *>(z + t.offset);
  auto point = [&](float a, float b, float c, float d, float e) { return c0 * (a + e) + c1 * (b + d) + c2 * c; };
#pragma unroll 2
  for (u32 i = threadIdx.x; i < t.count / 4; i += threads) {
    float4 p = px[i], q = px[i + 1], r;
    r.x = point(p.x, p.y, p.z, p.w, q.x);
    r.y = point(p.y, p.z, p.w, q.x, q.y);
    r.z = point(p.z, p.w, q.x, q.y, q.z);
    r.w = point(p.w, q.x, q.y, q.z, q.w);
    pz[i] = r;
  }
}

template <u32 Count>
__device__ void histogram(const Tile *tiles, const u32 *__restrict__ keys, u32 *__restrict__ counts) {
  __shared__ u32 mine[256];
  Tile t = tile<Count>(tiles);
  mine[threadIdx.x] = 0;
  __syncthreads();
  auto *from = reinterpret_cast<const uint4 *>(keys + t.offset);
#pragma unroll 4
  for (u32 i = threadIdx.x; i < t.count / 4; i += threads) {
    uint4 k = from[i];
    atomicAdd(&mine[k.x >> 24], 1);
    atomicAdd(&mine[k.y >> 24], 1);
    atomicAdd(&mine[k.z >> 24], 1);
    atomicAdd(&mine[k.w >> 24], 1);
  }
  __syncthreads();
  counts[blockIdx.x * threads + threadIdx.x] = mine[threadIdx.x];
}

// The 256 strings of a tile stand side by side, and each thread has one.
template <u32 Count>
__device__ void dfa(const Tile *tiles, const u8 *__restrict__ text, const u8 *__restrict__ classes,
                    const u8 *__restrict__ table, u8 *__restrict__ end) {
  __shared__ u8 classOf[256], nextOf[512];
  Tile t = tile<Count>(tiles);
  classOf[threadIdx.x] = classes[threadIdx.x];
  nextOf[threadIdx.x] = table[threadIdx.x];
  nextOf[threadIdx.x + 256] = table[threadIdx.x + 256];
  __syncthreads();
  u32 state = 0;
  const u8 *at = text + t.offset + threadIdx.x;
#pragma unroll 8
  for (u32 i = 0; i < t.count / threads; ++i)
    state = nextOf[state * 16 + classOf[at[i * threads]]];
  end[blockIdx.x * threads + threadIdx.x] = state;
}

__device__ float toFloat(u64 word) { return __int_as_float(int(word)); }

// The parameters are the ten words that every kernel of the engine's device is launched with; the first is the number
// of tiles, which is the number of CTAs.
#define KERNELS(suffix, Count)                                                                                         \
  extern "C" __global__ void saxpy##suffix(u64, const Tile *tiles, const float *x, float *y, u64 a, u64, u64, u64,     \
                                           u64, u64) {                                                                 \
    saxpy<Count>(tiles, x, y, toFloat(a));                                                                             \
  }                                                                                                                    \
  extern "C" __global__ void chain##suffix(u64, const Tile *tiles, const float *x, const float *y, float *z, u64 a,    \
                                           u64, u64, u64, u64) {                                                       \
    chain<Count>(tiles, x, y, z, toFloat(a));                                                                          \
  }                                                                                                                    \
  extern "C" __global__ void dot##suffix(u64, const Tile *tiles, const float *x, const float *y, float *out, u64, u64, \
                                         u64, u64, u64) {                                                              \
    dot<Count>(tiles, x, y, out);                                                                                      \
  }                                                                                                                    \
  extern "C" __global__ void stencil##suffix(u64, const Tile *tiles, const float *x, float *z, u64 c0, u64 c1, u64 c2, \
                                             u64, u64, u64) {                                                          \
    stencil<Count>(tiles, x, z, toFloat(c0), toFloat(c1), toFloat(c2));                                                \
  }                                                                                                                    \
  extern "C" __global__ void histogram##suffix(u64, const Tile *tiles, const u32 *keys, u32 *counts, u64, u64, u64,    \
                                               u64, u64, u64) {                                                        \
    histogram<Count>(tiles, keys, counts);                                                                             \
  }                                                                                                                    \
  extern "C" __global__ void dfa##suffix(u64, const Tile *tiles, const u8 *text, const u8 *classes, const u8 *table,   \
                                         u8 *end, u64, u64, u64, u64) {                                                \
    dfa<Count>(tiles, text, classes, table, end);                                                                      \
  }

KERNELS(, 0)
KERNELS(_4096, 4096)
KERNELS(_32768, 32768)
