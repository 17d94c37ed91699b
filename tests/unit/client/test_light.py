"""The library alone: what it does without the packages that only some need."""

import subprocess
import sys

WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Without(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Without())
{program}
"""


def run(names, program, *arguments):
    """Run a program where these packages are not installed."""
    command = [sys.executable, "-c", WITHOUT.format(names=names, program=program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_needs_neither_pillow_nor_numpy_nor_opencv_nor_rich():
    program = "import myeye; from myeye.pictures import sources_of; print(sources_of(b'picture')[0].size)"
    done = run(["PIL", "numpy", "cv2", "rich"], program)
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


def test_drawing_without_pillow_says_what_to_install():
    done = run(["PIL"], "import myeye; myeye.annotate(b'picture', myeye.DetectionResult())")
    assert "ImportError: to draw on pictures takes Pillow: pip install 'myeye[draw]'" in done.stderr


def test_the_command_without_what_it_needs_says_what_to_install():
    done = run(["rich"], "from myeye.__main__ import main; sys.exit(main())", "--help")
    assert (done.returncode, done.stderr) == (2, "myeye: the command needs rich: pip install 'myeye[cli]'\n")
