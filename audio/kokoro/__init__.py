"""The voice: the only package that knows Kokoro and onnxruntime."""
