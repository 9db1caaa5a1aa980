package io.fisherstreams.cli;

/** Types that a release's floating tensors can have. */
enum OutputDtype {
  F32,
  BF16,
  F16,
  F64
}
