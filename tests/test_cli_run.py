"""`goodfit run`: a script behaves as under python, and every `fit` in it is watched."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = str(Path(__file__).parents[1] / "src")
FIT = """
import sys
print("arguments", sys.argv[1:], __name__, sys.path[0])
import keras, numpy as np
rng = np.random.default_rng(0)
x = rng.normal(size=(200, 4)).astype("float32")
y = (x[:, 0] > 0).astype("int64")
keras.utils.set_random_seed(1)

def net(loss, units, activation):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(units, activation)])
    model.compile("adam", loss)
    return model

model = net(keras.losses.BinaryCrossentropy(from_logits=True), 1, "sigmoid")
history = model.fit(x, y, epochs=2, verbose=0, callbacks=keras.callbacks.TerminateOnNaN())
print(history.history["loss"], model.name)
net("categorical_crossentropy", 2, "softmax").fit(x, y, verbose=0)
"""


def python(*args, cwd):
    paths = [SOURCE, *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, *args], capture_output=True, text=True, cwd=cwd, env=env, check=False)
    return done.returncode, done.stdout, done.stderr


GOODFIT = ("-c", "from goodfit.cli import main; main()", "run")


def test_a_script_is_watched_and_its_output_and_traceback_are_its_own(tmp_path):
    (tmp_path / "train.py").write_text(FIT)
    alone = python("train.py", "--epochs", "3", "--help", cwd=tmp_path)
    watched = python(*GOODFIT, "--log", "run.csv", "train.py", "--epochs", "3", "--help", cwd=tmp_path)
    assert alone[0] == watched[0] == 1  # Keras refuses the second fit
    assert alone[1] == watched[1]
    ours = [line for line in watched[2].splitlines() if line.startswith("goodfit: ")]
    theirs = [line for line in watched[2].splitlines() if not line.startswith("goodfit: ")]
    assert theirs == alone[2].splitlines()
    assert "double_softmax" in ours[0]
    assert re.search(r"fit 2: error: wrong_loss", ours[-1])
    assert (tmp_path / "run.csv").read_text().count("\n") == 3


SCRIPTS = {
    "exit code": "import sys; print('out'); sys.exit(7)",
    "exit message": "import sys; sys.exit('no data')",
    "error": "def f():\n    raise KeyError('x')\n\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    f()\n",
    "syntax": "print('never')\nif True print(1)\n",
    "main": "import pickle\nclass A: pass\nprint(__file__, type(pickle.loads(pickle.dumps(A()))))",
    "input": "import sys, click\nprint(sys.stdin.read(), __spec__)\nraise click.exceptions.UsageError('mine')",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_ends_as_under_python(tmp_path, name):
    (tmp_path / "s.py").write_text(SCRIPTS[name])
    alone, watched = python("s.py", cwd=tmp_path), python(*GOODFIT, "s.py", cwd=tmp_path)
    told = "goodfit: the script called no fit of Keras 3; nothing was watched.\n"
    assert watched[:2] == alone[:2]
    assert watched[2].removesuffix(told) == alone[2]


def test_a_script_that_is_not_there_is_one_line(tmp_path):
    code, out, err = python(*GOODFIT, "none.py", cwd=tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    code, out, err = python(*GOODFIT, "--stop-on", "overfit", "none.py", cwd=tmp_path)
    assert "no finding 'overfit'" in err
