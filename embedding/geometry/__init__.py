"""Riemannian geometry of latent spaces, for any decoder: a callable from latents [B, n] to observations [B, ...]."""

from embedding.geometry.curves import (
    curve_energy,
    curve_length,
    polygon_length,
    resample,
    second_difference,
    straight_line,
    subdivide,
)
from embedding.geometry.fields import Grid, distance_field, magnification_field
from embedding.geometry.geodesics import minimise_energy, refine_paths
from embedding.geometry.graph import LatentGraph, build_graph, scatter_nodes, zigzag_ratio
from embedding.geometry.metric import (
    Decoder,
    condition_number,
    decode,
    effective_dimension,
    jacobian,
    log_magnification,
    mean_scale,
    metric_tensor,
    relative_magnification,
    relative_spread,
    spectrum,
)
from embedding.geometry.ratios import LengthRatios, Table1, length_ratios, measure_table1, random_pairs

__all__ = [
    "Decoder",
    "Grid",
    "LatentGraph",
    "LengthRatios",
    "Table1",
    "build_graph",
    "condition_number",
    "curve_energy",
    "curve_length",
    "decode",
    "distance_field",
    "effective_dimension",
    "jacobian",
    "length_ratios",
    "log_magnification",
    "magnification_field",
    "mean_scale",
    "measure_table1",
    "metric_tensor",
    "minimise_energy",
    "polygon_length",
    "random_pairs",
    "refine_paths",
    "relative_magnification",
    "relative_spread",
    "resample",
    "scatter_nodes",
    "second_difference",
    "spectrum",
    "straight_line",
    "subdivide",
    "zigzag_ratio",
]
