"""From crops to features: cropping, the descriptors, and several as one.

Imports NumPy; OpenCV, ONNX Runtime and, for trained models, torch and `embedding.vae` on use.
Public: `base.DescribesBoxes`, which every descriptor is; `embedding.Descriptor.load` finds them by name.
"""
