"""The `track` command: options in, jobs out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from embedding.progress import say
from tracker.commands.options.choices import CameraMotion, EmbedWhen, Hidden, Link
from tracker.commands.options.places import DEFAULT_OUT, counts_places, named, report_place, result_path
from tracker.errors import InputError
from tracker.files.storage import is_stored
from tracker.input.detection.names import is_detector
from tracker.input.live.source import RECONNECT
from tracker.input.sequences import Sequence, default_detections, find_sequences

if TYPE_CHECKING:
    from tracker.core.config import TrackerConfig
    from tracker.run.job import Fleet, Job

WHAT, HOW, WRITTEN, AFTERWARDS = "What is tracked", "How", "What is written", "Around it"  # the groups of --help


def option(*names: str, group: str, help: str, **others: Any) -> Any:
    """An option of a group."""
    return typer.Option(*names, help=help, rich_help_panel=group, **others)


def main(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SEQ", show_default=False, help="The same as --seq: track clip.mp4"),
    ] = None,
    seq: Annotated[
        list[str] | None,
        option(
            group=WHAT,
            help="Sequences: name under --root, folder, video, camera index, URL; `all` for every one of the root; "
            "a pattern, a LIST.txt or MANIFEST.csv of them; s3:// and gs:// too.",
        ),
    ] = None,
    det: Annotated[
        str | None,
        option(
            group=WHAT,
            help="Detections: a file of a known format, {seq} is the sequence's name; or fastestdet, hog, "
            "torchvision:NAME, FILE.onnx. Default: the sequence's det/det.txt, else fastestdet.",
        ),
    ] = None,
    classes: Annotated[
        str | None, option(group=WHAT, metavar="A,B", help="Track these, by name or number: person,car; or all.")
    ] = None,
    tiles: Annotated[
        int, option(group=WHAT, min=1, max=8, help="Let a detector look at N x N parts of the picture too.")
    ] = 1,
    strict: Annotated[
        bool, option("--strict", group=WHAT, help="Refuse doubtful detections: without area, scores beyond 0 to 1.")
    ] = False,
    reconnect: Annotated[
        float,
        option(
            group=WHAT, min=0, help="Seconds to try again for where a camera or stream is lost; 0 gives up at once."
        ),
    ] = RECONNECT,
    root: Annotated[Path | None, option(group=WHAT, help="Folder of sequences; default $MOT_ROOT.")] = None,
    config: Annotated[str, option(group=HOW, help="sort, deepsort, flatsort or a YAML file.")] = "flatsort",
    set_: Annotated[
        list[str] | None, option("--set", group=HOW, metavar="KEY=VALUE", help="Override settings of the preset.")
    ] = None,
    descriptor: Annotated[
        str, option(group=HOW, help="Descriptor for detections without features; `none` tracks by motion alone.")
    ] = "default",
    embed_when: Annotated[
        EmbedWhen,
        option(group=HOW, help="always, or ambiguous: describe whom motion leaves in doubt, all now and then."),
    ] = EmbedWhen.always,
    adapt: Annotated[
        bool, option("--adapt", group=HOW, help="Fit the descriptor, a trained one, to each sequence's detections.")
    ] = False,
    adapt_minutes: Annotated[
        float | None, option(group=HOW, help="CPU minutes to fit it for (of the clock on a GPU); default 4.")
    ] = None,
    camera_motion: Annotated[
        CameraMotion | None, option(group=HOW, help="Compensate the camera's motion, told from the frames.")
    ] = None,
    link: Annotated[
        Link | None,
        option(group=HOW, help="Second pass over a recording: join pieces by looks (`flatsort` does); off: fill gaps."),
    ] = None,
    raw: Annotated[bool, option("--raw", group=HOW, help="No second pass: tracks as they come.")] = False,
    delay: Annotated[
        float | None,
        option(group=HOW, metavar="SECONDS", help="Streams: identities that are settled that much later."),
    ] = None,
    interpolate: Annotated[
        int, option(group=HOW, min=0, help="In place of a second pass: fill gaps of up to N frames.")
    ] = 0,
    smooth: Annotated[bool, option("--smooth", group=HOW, help="In place of a second pass: smooth tracks.")] = False,
    out: Annotated[
        str | None,
        option(
            group=WRITTEN,
            show_default=False,
            help="Result file of one sequence, folder of several: MOT text, or by the name's end .csv, .parquet, "
            ".json (COCO); a folder may be s3:// or gs://. Default output/NAME.txt; where nobody gives detections, "
            "with a video and an account.",
        ),
    ] = None,
    video: Annotated[
        str | None, option(group=WRITTEN, help="Annotated video (.mp4); {seq} is the sequence's name.")
    ] = None,
    sheet: Annotated[
        str | None, option(group=WRITTEN, help="Contact sheet of annotated frames (.png, .jpg); {seq} as above.")
    ] = None,
    table: Annotated[
        str | None,
        option(group=WRITTEN, help="Tracks with the detection behind each box, .csv or .parquet; {seq} as above."),
    ] = None,
    report: Annotated[
        str | None,
        option(
            group=WRITTEN,
            metavar="DIR",
            help="Page to look at: video, timeline, gallery, counts; {seq} as above, else a folder each of several.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        option(group=WRITTEN, help="On each box: id,class,score or some of them; or none. Default id, and class."),
    ] = None,
    blur: Annotated[
        Hidden | None,
        option(group=WRITTEN, help="Make heads (the upper part of each person's box) or whole people unrecognisable."),
    ] = None,
    zones: Annotated[
        str | None,
        option(group=WRITTEN, metavar="FILE", help="Count at lines and zones: GeoJSON in pixels (`flatsort zones`)."),
    ] = None,
    zones_out: Annotated[
        list[str] | None,
        option(
            group=WRITTEN,
            metavar="FILE",
            help="Their counts: .json (totals, over time) or .csv (a row an event), may be given twice. "
            "Default both, beside --out.",
        ),
    ] = None,
    show: Annotated[bool, option("--show", group=WRITTEN, help="Show a live window; q ends the run.")] = False,
    evaluate: Annotated[
        bool, option("--evaluate", group=AFTERWARDS, help="Print metrics where there is ground truth.")
    ] = False,
    json: Annotated[
        Path | None, option(group=WRITTEN, help="What happened: read, used, dropped and why, appearance, doubts.")
    ] = None,
    timing: Annotated[bool, option("--timing", group=AFTERWARDS, help="Print the seconds each stage took.")] = False,
    jobs: Annotated[
        str, option(group=AFTERWARDS, help="Sequences tracked at once: processes, or `ray` for a Ray cluster.")
    ] = "1",
    address: Annotated[
        str | None, option(group=AFTERWARDS, help="Ray: the cluster; default $RAY_ADDRESS, else this machine alone.")
    ] = None,
    part: Annotated[
        int | None,
        option(
            group=AFTERWARDS, min=1, help="Ray: frames that one task describes, default 2000; longer videos are cut."
        ),
    ] = None,
    resume: Annotated[
        bool, option("--resume", group=AFTERWARDS, help="Leave out sequences whose result is there already.")
    ] = False,
    demo: Annotated[
        bool, option("--demo", group=AFTERWARDS, help="Render a scene, track it, score it, draw it; needs no data.")
    ] = False,
) -> None:
    """Track objects through image sequences and videos.

    Example: track clip.mp4

    Example: track --seq MOT16-09 --root MOT16 --det sdp.txt --evaluate
    """
    names = [*(sources or []), *(seq or [])]
    if demo:
        _demo(locals())
        return
    if not names:
        raise InputError("--seq: missing; try `track clip.mp4`, `track --demo`, or `track --help`")
    from tracker.core.config import load_config  # with it comes pydantic, which takes a tenth of a second
    from tracker.output.drawing import labels_of
    from tracker.run.job import Fleet, Job

    settings = load_config(config, set_ or [])
    sequences = find_sequences(names, root)
    detections = {one.name: one.detections or (_detections(one) if det is None else det) for one in sequences}
    ours = [name for name, found in detections.items() if det is None and out is None and is_detector(found)]
    if ours and json is None:  # who types no more than a video's name wants to see what came of it
        json = DEFAULT_OUT / f"{ours[0] if len(ours) == 1 else 'account'}.json"
    tracked = [
        Job(
            sequence=sequence,
            config=settings,
            detections=detections[sequence.name],
            descriptor=descriptor,
            out=result_path(out, sequence, len(sequences)),
            video=named(_video(video, sequence.name in ours, sequence), "--video", sequence, len(sequences)),
            table=named(table, "--table", sequence, len(sequences)),
            zones=None if zones is None else Path(zones.replace("{seq}", sequence.name)),
            zones_out=counts_places(
                zones, zones_out, result_path(out, sequence, len(sequences)), sequence, len(sequences)
            ),
            sheet=named(sheet, "--sheet", sequence, len(sequences)),
            camera_motion=None if camera_motion is None else camera_motion.value,
            interpolate=interpolate,
            smooth=smooth,
            second_pass=_second_pass(link, raw, delay, interpolate, smooth, show, embed_when, settings, sequence),
            delay=delay,
            show=show,
            adapt_minutes=_minutes(adapt, adapt_minutes),
            embed_when=embed_when.value,
            strict=strict,
            reconnect=reconnect,
            classes=classes,
            tiles=tiles,
            report=report_place(report, sequence, len(sequences)),
            command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            labels=None if labels is None else labels_of(labels),
            blur=None if blur is None else blur.value,
        )
        for sequence in sequences
    ]
    if evaluate:
        _require_truth(sequences, out)
    from tracker.run.fleet.elsewhere import sent

    fleet = Fleet(address, part or Fleet.frames_a_part, resume)
    tracked = [sent(job, out) for job in tracked]
    raise typer.Exit(_run(sequences, tracked, Path(config), json, jobs, fleet, timing, evaluate))


def _run(
    sequences: list[Sequence],
    tracked: list[Job],
    config: Path,
    json: Path | None,
    workers: str,
    fleet: Fleet,
    timing: bool,
    evaluate: bool,
) -> int:
    """Run the jobs, and write and print what was asked for of all together; the exit code."""
    from tracker.run.outputs import require_outputs
    from tracker.run.parallel import Outcome, attempt_all, print_evaluation, print_timing, write_account

    others = [] if json is None else [("--json", json)]
    if workers == "ray":
        from tracker.run.fleet.cluster import table_of  # with it comes PyAV

        tables = {table_of(job) for job in tracked if job.out is not None}
        others += [("the batch's table", place) for place in tables if isinstance(place, Path)]
    require_outputs(tracked, others, [("--config", config)])
    done = _done_before(tracked) if fleet.resume and workers != "ray" else {}
    tracked = [job for job in tracked if job.sequence.name not in done]
    outcome = attempt_all(tracked, workers, fleet) if tracked else Outcome()
    if json is not None:
        write_account(json, outcome)
    if timing:
        print_timing(outcome.summaries)
    if evaluate and (outcome.summaries or done):
        print_evaluation(sequences, outcome.summaries, {name: Path(path) for name, path in done.items()})
    return outcome.exit_code


def _require_truth(sequences: list[Sequence], out: str | None) -> None:
    """InputError where there is nothing to score, or it does not lie here."""
    if out is not None and is_stored(out):
        raise InputError(f"--evaluate: reads results that lie here, found --out {out}")
    if not any(sequence.ground_truth for sequence in sequences):
        raise InputError(f"--evaluate: no ground truth (gt/gt.txt) in {', '.join(s.name for s in sequences)}")


def _done_before(jobs: list[Job]) -> dict[str, Path | str]:
    """The results that are there, by sequence."""
    from tracker.run.fleet.elsewhere import result_exists, result_of

    done = {job.sequence.name: result for job in jobs if (result := result_of(job)) is not None and result_exists(job)}
    for name, path in done.items():
        say(f"{name}: done before -> {path}")
    return done


def _demo(options: dict[str, Any]) -> None:
    """The demo brings its own scene, detections and outputs: what it would ignore is refused."""
    taken = ("demo", "out", "report", "config", "set_", "descriptor", "names")
    untold: tuple[object, ...] = (None, False, 0, [], 1, "1", RECONNECT)
    given = [name for name, value in options.items() if name not in taken and value not in untold]
    ignored = [f"--{name.replace('_', '-')}" for name in given if options[name] is not EmbedWhen.always]
    if ignored:
        raise InputError(
            f"--demo: takes --out, --report, --config, --set and --descriptor, found {', '.join(ignored)} too"
        )
    from tracker.demo.run import run_demo

    descriptor = "colour" if options["descriptor"] == "default" else options["descriptor"]
    out, report = Path(options["out"] or "demo_output"), options["report"] and Path(options["report"])
    run_demo(out, options["config"], options["set_"] or [], descriptor, report)


def _detections(sequence: Sequence) -> str:
    found = default_detections(sequence)
    shown = f"{found}, the small detector that ships with us" if is_detector(found) else f"its own {found}"
    say(f"{sequence.name}: no --det: {shown}")
    return found


def _video(asked: str | None, is_ours: bool, sequence: Sequence) -> str | None:
    """The video to write: the one that was asked for, or, of a recording, one beside the result."""
    if asked is None and is_ours and isinstance(sequence.frames, Path):
        return str(DEFAULT_OUT / "{seq}.mp4")
    return asked


def _second_pass(
    link: Link | None,
    raw: bool,
    delay: float | None,
    interpolate: int,
    smooth: bool,
    show: bool,
    embed_when: EmbedWhen,
    settings: TrackerConfig,
    sequence: Sequence,
) -> Literal["none", "fill", "link"]:
    """What is done after the last frame: what was asked for, else what the preset says of recordings."""
    if raw and (link or delay is not None):
        raise InputError(f"--raw and {'--link' if link else '--delay'}: both given, expected one")
    if link is Link.on:
        return "link"
    if raw or interpolate or smooth or show or delay is not None:
        return "none"
    if link is None and isinstance(sequence.frames, int | str):  # a camera or stream has no end to wait for
        return "none"
    if settings.second_pass == "link" and (link is Link.off or embed_when is not EmbedWhen.always):
        return "fill"
    return settings.second_pass


def _minutes(adapt: bool, minutes: float | None) -> float | None:
    """How long to adapt each descriptor; None: not at all."""
    if not adapt:
        if minutes is not None:
            raise InputError(f"--adapt-minutes {minutes:g}: does nothing without --adapt")
        return None
    from tracker.footage.adapt import DEFAULT_MINUTES

    return DEFAULT_MINUTES if minutes is None else minutes
