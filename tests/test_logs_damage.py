"""A damaged log is one clear error or is judged as far as it can be read; never a traceback, never a warning."""

import json
import random
import re

import pytest

from goodfit.cli.diagnose import run
from goodfit.errors import LogError
from goodfit.logs import read
from test_logs_formats import ACC, LOSS, VAL, VAL_ACC, event

ROWS = [*zip(range(4), ACC, LOSS, VAL_ACC, VAL, strict=True)] * 2
LOGS = {
    "csv": (
        "epoch,accuracy,loss,val_accuracy,val_loss\n" + "".join(",".join(map(str, r)) + "\n" for r in ROWS)
    ).encode(),
    "json": json.dumps({"loss": LOSS, "accuracy": ACC, "val_loss": VAL, "val_accuracy": VAL_ACC}).encode(),
    "hf": json.dumps(
        {
            "log_history": [
                d for i in range(4) for d in ({"epoch": i + 1, "loss": LOSS[i]}, {"epoch": i + 1, "eval_loss": VAL[i]})
            ]
        }
    ).encode(),
    "output": "".join(f"Epoch {i + 1}/4\n9/9 - 1s - loss: {LOSS[i]} - val_loss: {VAL[i]}\n" for i in range(4)).encode(),
    "events": b"".join(event(i, "Loss/train", LOSS[i]) + event(i, "Loss/val", VAL[i], "raw") for i in range(4)),
}
WORDS = b'nan inf -inf 1e308 -1e308 1e-320 NA null -5 0 999999999999 epoch loss [ ] { } , " \n \0'.split(b" ")


def damaged(data, rng):
    """Bytes with a few words replaced, bytes turned over, or the end cut off."""
    kind = rng.randrange(3)
    if kind == 0:
        return data[: rng.randrange(1, len(data))]
    if kind == 1:
        out = bytearray(data)
        for _ in range(rng.choice([1, 3, 10])):
            out[rng.randrange(len(out))] = rng.randrange(256)
        return bytes(out)
    words = [m.span() for m in re.finditer(rb"[-+.\w]+", data)]
    for a, b in sorted(rng.sample(words, min(len(words), rng.choice([1, 4, 12]))), reverse=True):
        data = data[:a] + rng.choice(WORDS) + data[b:]
    return data


@pytest.mark.parametrize("name", LOGS)
def test_damage_is_told_or_left_out(tmp_path, capsys, name):
    rng = random.Random(name)
    path = tmp_path / "log"
    judged = 0
    for i in range(120):
        path.write_bytes(damaged(LOGS[name], rng))
        try:
            code = run([str(path), "--plot" if i % 2 else "--json"])
        except LogError:
            continue
        judged += 1
        assert code == 0
        said = capsys.readouterr()
        assert not said.err
        if i % 2 == 0:
            json.loads(said.out, parse_constant=lambda c: pytest.fail(f"{c} is no JSON"))
    assert judged > 30  # a readable part is still judged


@pytest.mark.parametrize(("written", "status"), [("1e308", "diverged"), ("1e-320", "healthy")])
def test_numbers_beyond_single_precision(tmp_path, capsys, written, status):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n0,0.9\n1,0.5\n2,0.3\n" + f"3,{written}\n")
    assert run([str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["status"] == status


@pytest.mark.parametrize(
    ("rows", "notes"),
    [
        (["0,.7,.7", "1,.6,.6", "2,.5,.5", "3,.4,.4"], []),
        (["0,.7,.7", "1,.6,nan", "2,.5,.5", "3,.4,.4"], ["val_loss has no number at epoch 2"]),
        (["0,.7,.7", "1,.6,.6", "2,,", "3,.4,.4", "4,.3,NA"], ["nothing was logged at epoch 3", "val_loss"]),
        (["1,.7,.7", "2,nan,nan", "3,.5,.5", "4,.4,.4"], ["loss and val_loss have no number at epoch 2"]),
        ([f"{i},.5,{'.6' if i % 2 else ''}" for i in range(9)], []),  # validated every other epoch
        (["0,.7,.7", "1,.6,.6", "2,nan,nan", "3,nan,nan"], []),  # diverged, as a finding tells
    ],
)
def test_gaps_are_told_by_column_and_epoch(tmp_path, rows, notes):
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["epoch,loss,val_loss", *rows]))
    (history,) = read(path)
    assert len(history.meta["notes"]) == len(notes)
    for note, said in zip(history.meta["notes"], notes, strict=True):
        assert note.startswith(said)


@pytest.mark.parametrize("names", ["epoch,loss,val_loss", "epoch,step,train_loss", "step,val_loss,loss"])
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "has a header and no rows"),
        ("\n0,.7\n1,.6\n", "line 3 does not fit the header; expected 3 cells parted by ','; received 2 in "),
        ("x,y,z\n,,\n", "no number for a loss or an accuracy from line 2 on"),
    ],
)
def test_below_a_good_header_the_damaged_line_is_named(tmp_path, names, rows, said):
    path = tmp_path / "log.csv"
    path.write_text(f"{names}\n{rows}")
    with pytest.raises(LogError) as error:
        read(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)
