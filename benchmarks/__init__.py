"""minifcn against PyTorch and ONNX Runtime, and against the machine itself: python -m benchmarks."""
