"""Detectors: how they are named, networks in ONNX files and of torchvision, parts of a picture, the one that ships."""
