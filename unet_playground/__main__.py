"""The command line: `python -m unet_playground COMMAND`.

It exits with 0 when done and with 2 and one sentence on stderr when the input is wrong.
"""

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from unet_playground import commands
from unet_playground.atlas.table import COSTS
from unet_playground.commands import atlas as measured
from unet_playground.commands import data as fetching
from unet_playground.commands import exporting, looking, quality, training
from unet_playground.design import DEFAULTS, NUMBERS, SLOT_IDS
from unet_playground.errors import PlaygroundError
from unet_playground.presets import presets
from unet_playground.receptive_field import LOGITS
from unet_playground.registry import catalogues
from unet_playground.tasks import tasks
from unet_playground.training.losses import losses
from unet_playground.training.schedules import schedules


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage text."""

    def error(self, message: str) -> NoReturn:
        sentence = message[0].upper() + message[1:].rstrip(".")
        self.exit(2, f"{sentence}; see {self.prog} --help.\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; what the caller can put right ends with 2 and one sentence on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal or file has all signs of our texts
    given = build_parser().parse_args(arguments)
    try:
        given.run(given)
        sys.stdout.flush()
    except PlaygroundError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _lost(0)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print("There is no room left to write to; make some and run the command again.", file=sys.stderr)
        return _lost(2)
    return 0


def _lost(code: int) -> int:
    """End with a code although nobody takes what is still to be printed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def build_parser() -> Parser:
    """Every command with its flags."""
    parser = Parser(prog="unet_playground", description=commands.__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    serve = _command(subparsers, looking.serve)
    serve.formatter_class = argparse.RawDescriptionHelpFormatter
    serve.epilog = f"environment:\n{looking.ENVIRONMENT}"
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")  # which Spaces set
    serve.add_argument("--host", default=host, help="address to listen on (default %(default)s)")
    serve.add_argument("--port", type=int, default=None, help="port (default: the first free one from 7860)")

    login = _command(subparsers, looking.login)
    login.add_argument("name", help="who may come in")

    _command(subparsers, looking.options).add_argument("--json", action="store_true", help="print JSON")

    cost = _command(subparsers, looking.cost)
    _add_design(cost)
    cost.add_argument("--size", type=int, default=256, help="side of the image in pixels (default %(default)s)")
    cost.add_argument("--place", default=LOGITS, help="feature map of the receptive field, like encoder.2 or skip.0")
    cost.add_argument(
        "--point", type=int, nargs="+", metavar="N", help="its pixel, in its own pixels (default: middle)"
    )

    _add_segment(_command(subparsers, looking.segment))

    export = _command(subparsers, exporting.export)
    _add_model(export)
    export.add_argument("--to", "--out", required=True, metavar="FILE", help="name ending with .zip, .onnx or .json")
    export.add_argument("--format", choices=exporting.FORMATS, help="what to write, whatever the name ends with")

    _add_explain(_command(subparsers, looking.explain))
    _add_training(subparsers)
    _add_measured(subparsers)
    return parser


def _add_segment(segment: Parser) -> None:
    _add_model(segment)
    segment.add_argument("file", help="an image, or a volume: NIfTI, DICOM, or a folder or ZIP of a DICOM series")
    segment.add_argument(
        "--out",
        required=True,
        help="PNG of class numbers, of the image's sides; of volumes .nii.gz, .zip (PNG slices) or .dcm (SEG)",
    )
    segment.add_argument("--probability", help="of an image: .npy of float32 (classes, h, w)")
    segment.add_argument("--measurements", help="of a volume: CSV of volumes, diameters and values")
    segment.add_argument(
        "--volume", type=int, help="of a NIfTI file with several volumes: which one, from 0 (default: the first)"
    )


def _add_explain(explain: Parser) -> None:
    _add_model(explain)
    explain.add_argument("file", help="PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM, NIfTI or NPY")
    explain.add_argument(
        "--method",
        required=True,
        help=f"one of {', '.join(catalogues['analysis'])}; options in brackets: integrated-gradients(steps=64)",
    )
    explain.add_argument("--target", type=int, default=1, help="class number (default %(default)s)")
    explain.add_argument("--point", type=int, nargs=2, metavar=("ROW", "COL"), help="one pixel instead of the class")
    explain.add_argument("--whole", action="store_true", help="with --point: the whole object that it lies in")
    explain.add_argument("--region", type=int, nargs=4, metavar="N", help="first row and column, last row and column")
    explain.add_argument("--truth", metavar="FILE", help="label image, where the analysis can use the truth")
    explain.add_argument("--other", metavar="FILE", help="a second image, where the analysis compares")
    explain.add_argument("--out", required=True, help="folder for PNG, .npy and text")


def _add_training(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    evaluate = _command(subparsers, training.evaluate)
    _add_model(evaluate)
    evaluate.add_argument("--images", required=True, help="folder of images")
    evaluate.add_argument("--labels", required=True, help="folder of labels named like their images")

    _add_train(_command(subparsers, training.train))

    data = _command(subparsers, fetching.data)
    data.add_argument("task", metavar="TASK", help=f"one of {', '.join(tasks)}")
    data.add_argument("--data", help="folder with the data sets, made if missing (default: UNET_PLAYGROUND_DATA)")
    data.add_argument("--sha256", metavar="HEX", help="hash that the archive must have")
    data.add_argument("--address", metavar="URL", help="a mirror to download from")
    data.add_argument("--json", action="store_true", help="print one JSON object")


def _add_measured(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    atlas = _command(subparsers, measured.atlas)
    atlas.add_argument("--metric", default="dice", help="a score of the table (default %(default)s)")
    atlas.add_argument("--cost", default="macs", choices=COSTS, help="of the Pareto front (default %(default)s)")
    atlas.add_argument("--out", help="folder for the plots, as PNG and SVG")
    atlas.add_argument("--measure", action="store_true", help="measure first what the table lacks")
    atlas.add_argument("--time", action="store_true", help="take all times again, on a machine that does nothing else")
    atlas.add_argument("--designs", type=int, default=300, help="how many to measure (default %(default)s)")
    _add_sweep(atlas)

    solo = _command(subparsers, measured.solo)
    solo.add_argument("--count", type=int, default=12, help="how many designs (default %(default)s)")
    solo.add_argument("--steps", type=int, help="updates of each (by default the task's recipe)")
    solo.add_argument("--rate", type=float, help="highest learning rate of each (by default the task's recipe)")
    solo.add_argument("--weak", metavar="METRIC", help="instead those that METRIC puts far below the classic")
    _add_sweep(solo)

    usual = _command(subparsers, quality.usual)
    usual.add_argument("--task", required=True, help=f"one of {', '.join(tasks)}")
    usual.add_argument("--data", help="folder with the data sets (default: UNET_PLAYGROUND_DATA)")
    usual.add_argument("--json", action="store_true", help="print one JSON object")

    claims = _command(subparsers, measured.claims)
    claims.add_argument("--task", help=f"one of {', '.join(tasks)} (default: all)")
    claims.add_argument("--json", action="store_true", help="print one JSON object")


def _add_sweep(command: Parser) -> None:
    command.add_argument("--task", required=True, help=f"one of {', '.join(tasks)}")
    command.add_argument("--data", help="folder with the data sets (default: UNET_PLAYGROUND_DATA)")
    command.add_argument("--workers", type=int, default=1, help="processes on this machine (default %(default)s)")
    command.add_argument("--ray", metavar="ADDRESS", help="a Ray cluster to run on instead: HOST:PORT or auto")
    command.add_argument("--gpus", type=float, default=0.0, help="GPUs a job takes on the cluster (default none)")
    command.add_argument("--json", action="store_true", help="print one JSON object")


def _command(subparsers: "argparse._SubParsersAction[Parser]", run: Callable[[argparse.Namespace], None]) -> Parser:
    summary = (run.__doc__ or "").splitlines()[0]
    command = subparsers.add_parser(run.__name__, help=summary, description=summary)
    command.set_defaults(run=run)
    return command


def _add_train(train: Parser) -> None:
    train.add_argument("--task", required=True, help=f"one of {', '.join(tasks)}")
    _add_design(train)
    train.add_argument("--bank", action="store_true", help="all designs at once, sharing weights")
    train.add_argument(
        "--only",
        action="append",
        default=[],
        choices=SLOT_IDS,
        metavar="SLOT",
        help="a slot in which all designs of the bank are like the one that is given; may be given again",
    )
    train.add_argument("--start", metavar="FOLDER", help="a bank of more designs, from whose weights this one starts")
    train.add_argument("--data", help="folder with the data sets (default: UNET_PLAYGROUND_DATA)")
    train.add_argument("--epochs", type=float, help="passes over the training images, instead of --steps")
    train.add_argument("--steps", type=int, help="updates (this and what follows: by default the task's recipe)")
    train.add_argument("--size", type=int, help="patches per update")
    train.add_argument("--side", type=int, help="side of a patch in pixels")
    train.add_argument("--rate", type=float, help="highest learning rate")
    train.add_argument("--loss", help=f"one of {', '.join(losses)}")
    train.add_argument("--schedule", help=f"how designs of a bank take turns: {', '.join(schedules)}")
    train.add_argument("--precision", choices=("auto", "float32", "bfloat16"), help="of convolutions")
    train.add_argument(
        "--teacher",
        action="append",
        default=[],
        metavar="FOLDER",
        help="a design trained alone, from whose weights and features a bank starts; may be given again",
    )
    train.add_argument("--every", type=int, default=200, help="steps between two checkpoints (default %(default)s)")
    train.add_argument("--seed", type=int, help="of everything random")
    train.add_argument("--out", required=True, help="folder; an unfinished training in it goes on")


def _add_model(command: Parser) -> None:
    command.add_argument("--task", required=True, help=f"one of {', '.join(tasks)}")
    command.add_argument("--weights", default="auto", help="auto, shared or solo (default %(default)s)")
    _add_design(command)


def _add_design(command: Parser) -> None:
    design = command.add_argument_group("design", "the classic, changed by --design or --preset, then by single flags")
    design.add_argument("--design", metavar="LINK", help="down=max-pool&skip=dense&...")
    design.add_argument("--preset", metavar="ID", help=f"one of {', '.join(presets)}")
    for slot in DEFAULTS:
        design.add_argument(f"--{slot}", metavar="ID", help=f"one of {', '.join(catalogues[slot])}")
    for name in NUMBERS:
        design.add_argument(f"--{name}", type=int, metavar="N", help="{} to {}".format(*NUMBERS[name]))
    command.add_argument("--json", action="store_true", help="print one JSON object")


if __name__ == "__main__":
    sys.exit(main())
