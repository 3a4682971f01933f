"""Time and weigh the browser reviewer: python -m training.benchmarks.web [--strokes 40] [--studies 20] [--sizes].

The server runs as a user starts it, and chromium shows its page (playwright; ONFH_CHROMIUM names another one).

- From the command `onfh-assist review` (the sample study, graded, then served) to cards and drawn views.
- From the end of a stroke of the brush to new numbers on the page.
- Memory (resident) of the server and of its worker: after so many studies opened one after the other, and with --sizes
  for images of 384 x 384 x 50 and 512 x 512 x 300 voxels.

With --picture FILE it only takes the picture of the page for the README: 1440 x 860, the sample study, corrected.
"""

import argparse
import contextlib
import io
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from PIL import Image

from ONFHAssistLib.core.resources import resource_path

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Page

SIZES = {"384 x 384 x 50": (384, 384, 50), "512 x 512 x 300": (512, 512, 300)}
COMMAND = (sys.executable, "-c", "import sys; from ONFHAssistLib.cli import main; sys.exit(main())", "review")
WIDTH, HEIGHT = 1440, 860


class Reviewer:
    """A server in a process of its own, and a browser that shows its page."""

    def __init__(self, page: "Page", process: subprocess.Popen) -> None:
        """Take what `reviewer` has started."""
        self.page, self._process = page, process

    def open(self, title: str) -> None:
        """Open a study, and analyse it where that has not been done."""
        self.page.click(f".line:has-text('{title}')")
        self.page.wait_for_function("title => document.querySelector('.bar').innerText.includes(title)", arg=title)
        self.page.wait_for_selector("button:has-text('Analyse')")
        if not self.page.locator(".card .headline").count():
            self.page.click("button:has-text('Analyse')")
        self.wait_for_views()

    def wait_for_views(self) -> None:
        """Wait until the cards are there and no view is blank."""
        self.page.wait_for_selector(".card .headline", timeout=300_000)
        for n in range(4):
            while self._shown(n).std() < 5:
                time.sleep(0.05)

    def stroke(self, x: float, y: float, right: float = 60.0, down: float = 0.0) -> float:
        """Draw a line in the coronal view, in pixels from its middle; return the seconds to new numbers."""
        page, area = self.page, self._area(0)
        x, y = area["x"] + area["width"] / 2 + x, area["y"] + area["height"] / 2 + y
        table = "() => document.querySelector('.results').innerText"
        before = page.evaluate(table)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + right, y + down, steps=8)
        page.mouse.up()
        start = time.perf_counter()
        page.wait_for_function(f"before => ({table})() !== before", arg=before, polling=20)
        return time.perf_counter() - start

    def memory_mb(self) -> tuple[float, float]:
        """Return what the server holds, and what the processes hold that it has started."""
        own, pids = self._process.pid, [self._process.pid]
        for pid in pids:
            with contextlib.suppress(FileNotFoundError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    pids += map(int, (task / "children").read_text().split())
        held = {pid: _resident_mb(pid) for pid in pids}
        return held.pop(own), sum(held.values())

    def _area(self, view: int) -> "FloatRect":
        area = self.page.locator(".remote-controlled-area").nth(view).bounding_box()
        assert area is not None  # all views are shown
        return area

    def _shown(self, view: int) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot(clip=self._area(view)))).convert("L"), float)


@contextlib.contextmanager
def reviewer(*arguments: object) -> Iterator[Reviewer]:
    """Start a server and a browser; both are ended afterwards."""
    from playwright.sync_api import sync_playwright

    command = [*COMMAND, *map(str, arguments), "--port", "18800", "--no-browser"]
    path = os.pathsep.join(filter(None, [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert process.stdout is not None  # it is a pipe
    try:
        said = ""
        while (found := re.search(r"Open (\S+) in a browser", said)) is None:
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"The server has ended: {said}")
            said += line
        chromium = os.environ.get("ONFH_CHROMIUM") or shutil.which("chromium")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(found[1])
            page.wait_for_selector(".worklist", timeout=60_000)
            yield Reviewer(page, process)
            browser.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(20)


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strokes", type=int, default=40)
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--sizes", action="store_true", help="large images, too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="take the README's picture and nothing else")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onfh-benchmark-") as made:
        folder = Path(made)
        if wanted.picture:
            take_picture(folder, wanted.picture)
            return
        cores = len(os.sched_getaffinity(0))
        print(f"{platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f} at the start", flush=True)
        time_start(folder / "start")
        weigh_and_time(folder / "many", wanted.studies, wanted.strokes)
        for name, size in SIZES.items() if wanted.sizes else ():
            weigh(folder / name.replace(" ", ""), name, size)


def time_start(folder: Path) -> None:
    """From the command to cards and drawn views, on the sample study."""
    folder.mkdir()
    start = time.perf_counter()
    with contextlib.chdir(folder), reviewer() as bench:
        served = time.perf_counter() - start
        bench.wait_for_views()
        print(
            f"Start: page after {served:.1f} s, cards and views after {time.perf_counter() - start:.1f} s", flush=True
        )


def weigh_and_time(folder: Path, studies: int, strokes: int) -> None:
    """Strokes on the first study, then one study after the other."""
    folder.mkdir()
    for n in range(studies):
        shutil.copy(resource_path("SampleData", "procedural_t1.nii.gz"), folder / f"study {n:02}.nii.gz")
    with reviewer(folder, "--no-ahead") as bench:
        for n in range(studies):
            bench.open(f"study {n:02}")
            if n == 0:
                tell_strokes(bench, strokes)
            if n in (2, studies - 1):
                server, worker = bench.memory_mb()
                print(f"After {n + 1} studies: server {server:.0f} MB, worker {worker:.0f} MB", flush=True)


def tell_strokes(bench: Reviewer, strokes: int) -> None:
    """Paint and undo, and print how long the numbers took."""
    bench.page.keyboard.press("p")
    time.sleep(1)
    seconds = []
    for n in range(strokes):
        seconds.append(bench.stroke(-30, 20 + 4 * (n % 5)))
        time.sleep(0.2)
        before = bench.page.inner_text(".results")
        bench.page.keyboard.press("Control+z")
        bench.page.wait_for_function("was => document.querySelector('.results').innerText !== was", arg=before)
        time.sleep(0.2)
    p50, p95 = np.percentile(seconds, [50, 95])
    print(f"Stroke to numbers on the page: p50 {p50:.2f} s, p95 {p95:.2f} s, {strokes} strokes", flush=True)


def weigh(folder: Path, name: str, size: tuple[int, int, int]) -> None:
    """One large image: analysed, painted into, weighed."""
    folder.mkdir()
    image = sitk.ReadImage(str(resource_path("SampleData", "procedural_t1.nii.gz")))
    steps = [spacing * n / wanted for spacing, n, wanted in zip(image.GetSpacing(), image.GetSize(), size, strict=True)]
    resample = sitk.ResampleImageFilter()
    resample.SetReferenceImage(image)
    resample.SetSize(size)
    resample.SetOutputSpacing(steps)
    sitk.WriteImage(resample.Execute(image), str(folder / "large.nii.gz"))
    with reviewer(folder, "--no-ahead") as bench:
        start = time.perf_counter()
        bench.open("large")
        opened = time.perf_counter() - start
        tell_strokes(bench, 10)
        server, worker = bench.memory_mb()
        print(
            f"{name}: opened and analysed in {opened:.1f} s; server {server:.0f} MB, worker {worker:.0f} MB", flush=True
        )


def take_picture(folder: Path, target: Path) -> None:
    """Correct the lesion of the sample study a little, and keep a picture of the page, in 256 colours."""
    place = folder / "studies"
    place.mkdir()
    shutil.copy(resource_path("SampleData", "procedural_t1.nii.gz"), place / "sample.nii.gz")
    with reviewer(place) as bench:
        bench.open("sample")
        bench.page.keyboard.press("p")
        time.sleep(1)
        bench.stroke(-74, -62, 36, 56)
        bench.page.mouse.move(WIDTH / 2, HEIGHT - 10)
        time.sleep(2)
        image = Image.open(io.BytesIO(bench.page.screenshot())).convert("RGB")
    image.quantize(palette=palette_of(image), dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")


def palette_of(image: Image.Image) -> Image.Image:
    """Choose 256 colours for a page: grey ones, and those of its lines and buttons, which are few pixels."""
    pixels = np.asarray(image).reshape(-1, 3)
    colourful = pixels[np.ptp(pixels.astype(int), axis=1) > 40]
    few = Image.fromarray(colourful[None]).quantize(176, method=Image.Quantize.MAXCOVERAGE)
    lines = (few.getpalette() or [])[: 3 * 176]
    greys = [level for grey in np.linspace(0, 255, 80).astype(int).tolist() for level in (grey,) * 3]
    palette = Image.new("P", (1, 1))
    palette.putpalette(greys + lines)
    return palette


def _resident_mb(pid: int) -> float:
    with contextlib.suppress(FileNotFoundError):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


if __name__ == "__main__":
    main()
