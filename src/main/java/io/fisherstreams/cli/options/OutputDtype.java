package io.fisherstreams.cli.options;

/** The types that a release's floating tensors can have. */
public enum OutputDtype {
  F32,
  BF16,
  F16,
  F64
}
