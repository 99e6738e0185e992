"""The voice: the only package that uses Kokoro and onnxruntime."""
