"""Cut the Chinese font down to the characters that the project uses: `python -m docs.fonts FOLDER`.

FOLDER is the unpacked npm package @fontsource/noto-sans-sc (`npm pack @fontsource/noto-sans-sc`). A test fails where a
text uses a character that the font in assets/fonts does not have.
"""

import argparse
import re
import shutil
from pathlib import Path

from fontTools import subset

ROOT = Path(__file__).parent.parent
FONT = ROOT / "assets" / "fonts" / "noto-sans-sc.woff2"
WRITTEN_IN = (*ROOT.glob("unet_playground/**/*.py"), *ROOT.glob("assets/**/*.json"))
CHINESE = re.compile(r"[\u2e80-\u9fff\u3000-\u303f\uff00-\uffef“”‘’…—·]")


def characters() -> str:
    """Every Chinese character and punctuation mark of the project's texts, in order."""
    return "".join(sorted({one for path in WRITTEN_IN for one in CHINESE.findall(path.read_text("utf-8"))}))


def main() -> None:
    """Write the font and its licence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    options = subset.Options(flavor="woff2", layout_features=["*"])
    font = subset.load_font(folder / "files" / "noto-sans-sc-chinese-simplified-400-normal.woff2", options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=characters())
    subsetter.subset(font)
    FONT.parent.mkdir(parents=True, exist_ok=True)
    subset.save_font(font, FONT, options)
    shutil.copy(folder / "LICENSE", FONT.parent / "LICENSE-noto-sans-sc.txt")


if __name__ == "__main__":
    main()
