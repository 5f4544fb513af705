// Kernels of the checks of the driver.
#pragma once

namespace simulated {

// store: y[i] = value, of {y, value}. It is compiled for 64 threads.
// share: the same through dynamic shared memory, of which it uses 4 bytes a thread.
// table: y[0] = the variable `number`.
constexpr const char* kKernels = R"(
.version 7.0
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 room[];
.global .align 4 .u32 number = 42;

.visible .entry store(.param .align 8 .b8 store_0[16])
.maxntid 64, 1, 1
{
  .reg .b32 %r<6>;
  .reg .b64 %rd<5>;
  ld.param.u64 %rd1, [store_0];
  ld.param.u32 %r1, [store_0+8];
  cvta.to.global.u64 %rd2, %rd1;
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  mul.wide.u32 %rd3, %r5, 4;
  add.s64 %rd4, %rd2, %rd3;
  st.global.u32 [%rd4], %r1;
  ret;
}

.visible .entry share(.param .align 8 .b8 share_0[16])
.maxntid 64, 1, 1
{
  .reg .b32 %r<8>;
  .reg .b64 %rd<5>;
  ld.param.u64 %rd1, [share_0];
  ld.param.u32 %r1, [share_0+8];
  cvta.to.global.u64 %rd2, %rd1;
  mov.u32 %r2, %tid.x;
  shl.b32 %r3, %r2, 2;
  mov.u32 %r4, room;
  add.s32 %r5, %r4, %r3;
  st.shared.u32 [%r5], %r1;
  bar.sync 0;
  ld.shared.u32 %r6, [%r5];
  mul.wide.u32 %rd3, %r2, 4;
  add.s64 %rd4, %rd2, %rd3;
  st.global.u32 [%rd4], %r6;
  ret;
}

.visible .entry table(.param .u64 table_0)
{
  .reg .b32 %r<2>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [table_0];
  cvta.to.global.u64 %rd2, %rd1;
  ld.global.u32 %r1, [number];
  st.global.u32 [%rd2], %r1;
  ret;
}
)";

struct StoreArguments {
  unsigned long long y;
  unsigned value;
};

}  // namespace simulated
