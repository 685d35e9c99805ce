"""The geometry of latent spaces against maps whose geometry is known in closed form."""

import math

import numpy as np
import pytest
import torch

from embedding.geometry import (
    Grid,
    build_graph,
    condition_number,
    curve_energy,
    curve_length,
    decode,
    distance_field,
    effective_dimension,
    jacobian,
    log_magnification,
    magnification_field,
    mean_scale,
    measure_table1,
    metric_tensor,
    minimise_energy,
    polygon_length,
    random_pairs,
    refine_paths,
    relative_magnification,
    relative_spread,
    resample,
    scatter_nodes,
    second_difference,
    spectrum,
    straight_line,
    subdivide,
    zigzag_ratio,
)


def sphere(z: torch.Tensor) -> torch.Tensor:
    """Colatitude and longitude to the unit sphere: G = diag(1, sin²)."""
    colatitude, longitude = z.unbind(-1)
    sine = colatitude.sin()
    return torch.stack([sine * longitude.cos(), sine * longitude.sin(), colatitude.cos()], dim=-1)


def cylinder(z: torch.Tensor) -> torch.Tensor:
    """Rolling up a sheet of paper: G = I, curved in space but flat."""
    return torch.stack([z[..., 0].cos(), z[..., 0].sin(), z[..., 1]], dim=-1)


def polar(z: torch.Tensor) -> torch.Tensor:
    """Radius and angle to the plane: G = diag(1, r²), geodesics are the plane's straight lines."""
    return torch.stack([z[..., 0] * z[..., 1].cos(), z[..., 0] * z[..., 1].sin()], dim=-1)


def rows(*values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def random_latents(count: int, low: float = 0.5, high: float = 1.5) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("decoder", "latent", "metric"),
    [
        (sphere, (1.0, 2.0), [[1, 0], [0, math.sin(1) ** 2]]),  # diag(1, sin²)
        (cylinder, (3.0, -1.0), [[1, 0], [0, 1]]),  # flat though curved in space
        (polar, (0.5, 2.0), [[1, 0], [0, 0.25]]),  # diag(1, r²)
        (lambda z: z @ rows((1, 2, 0), (0, 1, 3)), (7.0, 7.0), [[5, 2], [2, 10]]),  # linear: A Aᵀ everywhere
    ],
)
def test_metric_of_known_maps(decoder, latent, metric) -> None:
    found = metric_tensor(decoder, rows(latent, latent))
    torch.testing.assert_close(found[1], rows(*metric))


def test_jacobian_equals_reverse_mode_for_a_network_with_image_output() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.SiLU(), torch.nn.Linear(8, 12)).double()

    def decoder(z: torch.Tensor) -> torch.Tensor:
        return network(z).sigmoid().unflatten(1, (3, 4))

    z = torch.randn(5, 3, dtype=torch.float64)
    oracle = torch.stack([torch.autograd.functional.jacobian(decoder, row[None]).reshape(12, 3) for row in z])
    torch.testing.assert_close(jacobian(decoder, z), oracle)
    torch.testing.assert_close(metric_tensor(decoder, z, chunk=2), oracle.mT @ oracle)


def test_what_is_read_from_metrics_of_known_eigenvalues() -> None:
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[0]
    values = rows((1, 1, 1, 1), (1, 2, 3, 10))
    metric = rotation @ torch.diag_embed(values) @ rotation.T
    torch.testing.assert_close(spectrum(metric), values)
    torch.testing.assert_close(condition_number(metric), rows((1, 10))[0])
    torch.testing.assert_close(log_magnification(metric), rows((0, 0.5 * math.log(60)))[0])
    torch.testing.assert_close(relative_magnification(metric), rows((1, 60**0.5))[0] / ((1 + 60**0.5) / 2))
    assert mean_scale(metric).item() == pytest.approx(20 / 8)
    spread = ((values - 2.5) ** 2).sum(1).mean().item() / (4 * 2.5**2)
    assert relative_spread(metric).item() == pytest.approx(spread)
    assert effective_dimension(metric).item() == pytest.approx(4 / (1 + spread))


def test_effective_dimension_counts_the_directions_in_use() -> None:
    metric = torch.diag_embed(rows((1, 1, 1) + (0,) * 9))
    assert effective_dimension(metric).item() == pytest.approx(3)


def test_magnification_survives_where_the_determinant_does_not() -> None:
    metric = torch.stack([torch.eye(128) * 1e-8, torch.eye(128) * 1e-8 * 1.01]).double()
    factor = relative_magnification(metric)
    assert (factor[1] / factor[0]).item() == pytest.approx(1.01**64)
    assert factor.mean().item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("decoder", "start", "end", "length"),
    [
        (sphere, (0.5, 1.0), (2.0, 1.0), 1.5),  # along a meridian
        (sphere, (1.0, 0.0), (1.0, 2.0), 2 * math.sin(1)),  # along a circle of latitude
        (cylinder, (0.0, 0.0), (3.0, 4.0), 5.0),  # a helix, straight when unrolled
        (polar, (2.0, 0.0), (2.0, math.pi), 2 * math.pi),  # half a circle
        (polar, (1.0, 0.3), (4.0, 0.3), 3.0),  # along a ray
    ],
)
def test_curve_length_and_energy_of_known_curves(decoder, start, end, length: float) -> None:
    curve = straight_line(rows(start), rows(end), 400)
    assert curve_length(decoder, curve).item() == pytest.approx(length, rel=1e-4)
    assert curve_energy(decode(decoder, curve)).item() == pytest.approx(length**2, rel=1e-4)  # constant speed


def test_energy_exceeds_squared_length_at_uneven_speed() -> None:
    curve = rows((0, 0), (1, 0), (4, 0))
    assert curve_energy(curve).item() == 2 * (1 + 9)
    assert polygon_length(curve).item() ** 2 == 16


def test_resampling_and_subdividing_keep_the_polygon() -> None:
    polygon = rows((0, 0), (1, 0), (1, 0), (1, 3))  # with a repeated point
    torch.testing.assert_close(resample(polygon, 5), rows((0, 0), (1, 0), (1, 1), (1, 2), (1, 3)))
    torch.testing.assert_close(subdivide(polygon[2:], 3), rows((1, 0), (1, 1), (1, 2), (1, 3)))
    assert polygon_length(subdivide(polygon, 4)).item() == pytest.approx(4)


def test_second_difference_of_a_parabola() -> None:
    time = torch.linspace(0, 1, 11, dtype=torch.float64)
    curve = torch.stack([time, time**2], dim=1)
    torch.testing.assert_close(second_difference(curve), rows((0, 2 * 0.1**2))[0])


def test_zigzag_of_the_paper_s_graph_on_a_flat_map() -> None:
    nodes = scatter_nodes(*rows((0, 0), (1, 1)))
    pairs = random_pairs(len(nodes), 100)
    ratio = zigzag_ratio(nodes, *pairs.T)
    assert ratio.mean().item() == pytest.approx(0.971, abs=0.010)  # measured before, see flat-vae-measurements
    assert ratio.max() <= 1


def test_random_pairs_are_distinct_and_repeatable() -> None:
    pairs = random_pairs(5, 1000, seed=1)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert set(pairs.ravel()) == set(range(5))
    np.testing.assert_array_equal(pairs, random_pairs(5, 1000, seed=1))


def test_graph_paths_are_the_shortest_ones() -> None:
    """Against Floyd and Warshall's all-pairs recursion on a small graph."""
    nodes = random_latents(40)
    graph = build_graph(polar, nodes, neighbours=5)
    shortest = np.where(graph.lengths.toarray() > 0, graph.lengths.toarray(), np.inf)
    shortest = np.minimum(shortest, shortest.T)
    np.fill_diagonal(shortest, 0)
    for via in range(40):
        shortest = np.minimum(shortest, shortest[:, via, None] + shortest[None, via])
    np.testing.assert_allclose(graph.distances(7), shortest[7])
    (path,) = graph.paths(np.array([7]), np.array([31]))
    torch.testing.assert_close(path[[0, -1]], nodes[[7, 31]])
    assert curve_length(polar, subdivide(path, 2)).item() == pytest.approx(shortest[7, 31])


def test_unconnected_nodes_are_an_error() -> None:
    clusters = torch.cat([random_latents(10), random_latents(10) + 100])
    with pytest.raises(ValueError, match="not connected"):
        build_graph(polar, clusters, neighbours=3).paths(np.array([0]), np.array([15]))


def great_circle(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (sphere(a) * sphere(b)).sum(-1).clamp(-1, 1).acos()


@pytest.mark.parametrize(
    ("decoder", "ends", "distance"),
    [
        (sphere, rows((1.2, 0.2), (1.0, 2.6)), great_circle),
        (polar, rows((1.0, 0.0), (1.3, 2.5)), lambda a, b: (polar(a) - polar(b)).norm()),
        (cylinder, rows((0.0, 0.0), (2.5, 1.0)), lambda a, b: (a - b).norm()),
    ],
)
def test_refined_geodesics_have_the_known_length(decoder, ends: torch.Tensor, distance) -> None:
    line = straight_line(ends[:1], ends[1:], 64)
    bump = torch.sin(torch.linspace(0, 3 * math.pi, 64, dtype=torch.float64))[:, None] * rows((0.05, 0.1))
    geodesic = minimise_energy(decoder, line + bump)
    torch.testing.assert_close(geodesic[:, [0, -1]], line[:, [0, -1]])
    assert curve_length(decoder, subdivide(geodesic, 8)).item() == pytest.approx(float(distance(*ends)), rel=1e-3)


def test_refinement_pulls_the_graph_s_path_taut() -> None:
    low, high = rows((0.4, 0.0), (2.0, 3.0))
    ends = rows((1.0, 0.1), (1.4, 2.6))
    nodes = torch.cat([scatter_nodes(low, high, 3000), ends])
    paths = build_graph(polar, nodes).paths(np.array([3000]), np.array([3001]))
    distance = (polar(ends[0]) - polar(ends[1])).norm().item()
    on_graph = curve_length(polar, subdivide(paths[0], 4)).item()
    refined = curve_length(polar, subdivide(refine_paths(polar, paths)[0], 4)).item()
    assert distance * 1.005 < on_graph < distance * 1.06  # the zigzag
    assert refined == pytest.approx(distance, rel=1e-3)


def test_table1_of_a_flat_map_shows_the_floor_and_of_a_curved_one_does_not() -> None:
    flat = measure_table1(cylinder, random_latents(200), pairs=20, nodes=3000)
    torch.testing.assert_close(flat.raw.latent, flat.floor, rtol=1e-3, atol=0)
    torch.testing.assert_close(flat.refined.latent, torch.ones(20).double(), rtol=1e-3, atol=0)
    torch.testing.assert_close(flat.refined.observation, torch.ones(20).double(), rtol=1e-3, atol=0)
    # Polar coordinates, seen from the angle: geodesics are chords, closed form
    curved = measure_table1(polar, random_latents(200, 0.3, 2.8), pairs=20, nodes=3000)
    ends = curved.geodesics[:, 0], curved.geodesics[:, -1]
    chords = (polar(ends[0]) - polar(ends[1])).norm(dim=1)
    lines = curve_length(polar, straight_line(*ends, 500))
    torch.testing.assert_close(curved.refined.observation, lines / chords, rtol=2e-3, atol=0)
    assert curved.summary()["refined"]["observation"]["mean"] > 1.02
    assert set(curved.summary()) == {"observation", "latent", "refined", "floor"}


def test_distance_field_of_a_flat_map_is_round() -> None:
    grid = Grid.around(rows((0, 0), (1, 0.5)), side=61, margin=0)
    field = distance_field(torch.nn.Identity(), grid, rows((0.5, 0.25))[0])
    exact = (grid.points() - rows((0.5, 0.25))).norm(dim=1).reshape(grid.shape).numpy()
    assert field.shape == (61, 61)
    assert (field >= exact - 1e-9).all()
    far = exact > 0.2
    assert (field[far] / exact[far]).max() < 1.014  # paths run in 24 directions


def test_grid_points_and_cells_agree() -> None:
    grid = Grid.around(rows((0, 0), (4, 2)), side=9)
    points = grid.points()
    extent = torch.stack([points.amin(0), points.amax(0)])
    torch.testing.assert_close(extent, rows((-0.2, -1.2), (4.2, 3.2)))  # square, 5 % margin
    row, column = grid.cells(points + 0.1)  # cells are 0.55 wide
    np.testing.assert_array_equal(row * 9 + column, np.arange(81))


def test_magnification_field_of_the_sphere() -> None:
    grid = Grid.around(rows((0.5, 0.0), (1.5, 1.0)), side=5, margin=0)
    field = magnification_field(sphere, grid)
    np.testing.assert_allclose(field, np.tile(np.log(np.sin(grid.horizontal.numpy())), (5, 1)), atol=1e-12)
