// The eight-op chain of examples/elementwise, fused by hand: what the fused window is measured against.
//
//   nvcc -ptx -arch=sm_90 -O3 -fmad=false chain.cu -o chain.ptx
//
// The parameters are the first seven of the ten words that every kernel of the engine's device is launched with.
typedef unsigned long long u64;

__device__ float step(float z, float y, float a) {
  z = (z + y) * y;
  return fmaxf(z, 0.0f) * a;
}

// One float at a time.
extern "C" __global__ void chain_scalar(u64 n, const float *x, const float *y, float *z, u64 scale, u64, u64) {
  float a = __int_as_float((int)scale);
  for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < n; i += gridDim.x * (u64)blockDim.x)
    z[i] = step(step(x[i], y[i], a), y[i], a);
}

// Four floats at a time: the fastest form known for this chain.
extern "C" __global__ void chain_vector(u64 n, const float4 *x, const float4 *y, float4 *z, u64 scale, u64, u64) {
  float a = __int_as_float((int)scale);
  for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < n / 4; i += gridDim.x * (u64)blockDim.x) {
    float4 p = x[i], q = y[i], r;
    r.x = step(step(p.x, q.x, a), q.x, a);
    r.y = step(step(p.y, q.y, a), q.y, a);
    r.z = step(step(p.z, q.z, a), q.z, a);
    r.w = step(step(p.w, q.w, a), q.w, a);
    z[i] = r;
  }
}
