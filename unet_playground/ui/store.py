"""The folder of uploads and answers: one server's own, gone with it."""

import atexit
import os
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

_PREFIX = "unet-playground-store-"


def own_store() -> Path:
    """A new folder that nobody else may enter, removed when this process ends; those of killed servers go now."""
    _sweep()
    store = TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-")
    atexit.register(store.cleanup)
    os.environ["GRADIO_TEMP_DIR"] = store.name
    return Path(store.name)


def _sweep() -> None:
    for folder in Path(gettempdir()).glob(f"{_PREFIX}*"):
        owner = re.match(rf"{_PREFIX}(\d+)-", folder.name)
        if owner and not _runs(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's
    return True
