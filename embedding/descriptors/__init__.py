"""From crops to features: cropping, the descriptors, and several as one.

Imports NumPy; OpenCV, ONNX Runtime and, for trained models, torch and `embedding.vae` on use.
"""
