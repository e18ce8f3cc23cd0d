"""Every log format, written here by hand or by an independent writer, is read back to the same curves."""

import json
import math
import sqlite3
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goodfit import logs

LOSS = [0.9, 0.5, 0.3, 0.25]
VAL = [0.8, 0.6, 0.55, 0.7]
ACC = [0.5, 0.7, 0.8, 0.85]
VAL_ACC = [0.55, 0.65, 0.7, 0.68]
CURVES = {"loss": LOSS, "accuracy": ACC, "val_loss": VAL, "val_accuracy": VAL_ACC}


def one(path):
    found = logs.read(path)
    assert len(found) == 1
    return found[0]


def same(history, curves=CURVES):
    for key, values in curves.items():
        np.testing.assert_allclose(history[key][0], values, rtol=1e-6, err_msg=key)


def written(tmp_path, text, name="log.txt", **how):
    path = tmp_path / name
    path.write_text(text, **how)
    return path


# --- JSON ---------------------------------------------------------------------------------------------------------

OLD = {"loss": LOSS, "acc": ACC, "val_loss": VAL, "val_acc": VAL_ACC, "lr": [0.1] * 4}


@pytest.mark.parametrize(
    "document",
    [
        OLD,
        {"history": OLD, "epoch": [0, 1, 2, 3], "params": {"epochs": 4}},
        {k: {str(i): v for i, v in enumerate(c)} for k, c in OLD.items()},
        [{"epoch": i, **{k: c[i] for k, c in OLD.items()}} for i in range(4)],
        [
            {"train": {"loss": LOSS[i], "acc": ACC[i]}, "val": {"loss": VAL[i], "acc": VAL_ACC[i]}, "lr": 0.1}
            for i in range(4)
        ],
        {"train_loss": LOSS, "train_acc": ACC, "valid_loss": VAL, "valid_acc": VAL_ACC, "lr": [0.1] * 4},
        {
            "sparse_categorical_accuracy": ACC,
            "loss": LOSS,
            "val_sparse_categorical_accuracy": VAL_ACC,
            "val_loss": VAL,
            "lr": [0.1] * 4,
        },
    ],
)
def test_json(tmp_path, document):
    history = one(written(tmp_path, json.dumps(document)))
    same(history)
    np.testing.assert_array_equal(history["learning_rate"], [[0.1] * 4])


def test_json_in_capitals(tmp_path):
    document = {"Train Loss": LOSS, "Validation Loss": VAL}
    same(one(written(tmp_path, json.dumps(document))), {"loss": LOSS, "val_loss": VAL})


def test_goodfits_own_train_loss_stays_beside_the_running_one(tmp_path):
    history = one(written(tmp_path, json.dumps({"loss": LOSS, "train_loss": ACC, "val_loss": VAL})))
    same(history, {"loss": LOSS, "train_loss": ACC})


def test_json_lines_of_epochs_and_a_bad_line(tmp_path):
    lines = [json.dumps({"epoch": i + 1, **{k: c[i] for k, c in CURVES.items()}}) for i in range(4)]
    history = one(written(tmp_path, "\n".join([*lines, '{"epoch": 5, "lo'])))
    same(history)
    assert "left out" in history.meta["notes"][0]


def test_json_lines_of_runs_are_seeds_of_a_variant(tmp_path):
    lines = [json.dumps({"model": m, "seed": s, "loss": LOSS, "val_loss": VAL}) for m in "ab" for s in (3, 4)]
    found = logs.read(written(tmp_path, "\n".join(lines)))
    assert [(h.variant, h.runs, h.seeds.tolist()) for h in found] == [("a", 2, [3, 4]), ("b", 2, [3, 4])]


def test_named_histories_are_kept_apart(tmp_path):
    found = logs.read(written(tmp_path, json.dumps({"base": OLD, "dropout": {"history": OLD}, "note": "x"})))
    assert [h.variant for h in found] == ["base", "dropout"]


def test_damaged_json_is_read_up_to_the_break(tmp_path):
    whole = json.dumps({"loss": LOSS, "val_loss": VAL})
    history = one(written(tmp_path, whole[: whole.rindex("0.55") + 4]))
    same(history, {"loss": LOSS[:2], "val_loss": VAL[:2]})
    assert "damaged" in history.meta["notes"][0]


def test_a_printed_python_dict(tmp_path):
    text = "{'loss': [np.float64(0.9), 0.5, nan], 'val_loss': [0.8, 0.6, nan]}"
    history = one(written(tmp_path, text))
    assert history["loss"][0, :2].tolist() == [0.9, 0.5]
    assert not math.isfinite(history["loss"][0, 2])


def test_nan_in_json_is_divergence_not_absence(tmp_path):
    history = one(written(tmp_path, '{"loss": [0.5, NaN, NaN], "val_loss": [0.6, NaN, NaN]}'))
    assert history.epochs == 3
    assert np.isnan(history["loss"][0]).tolist() == [False, True, True]


def test_the_journal_of_a_study(tmp_path):
    def run(variant, seed, stage="search", loss=LOSS):
        curves = {"loss": loss, "train_loss": loss, "val_loss": VAL, "learning_rate": [None] * 4}
        return {
            "event": "run",
            "stage": stage,
            "run": {"variant": variant, "seed": seed, "curves": curves, "best_epoch": 3},
        }

    events = [{"event": "study"}, {"event": "decided", "what": "baseline", "value": {"accuracy": 0.5, "linear": 0.8}}]
    events += [
        run("base", 0),
        run("base", 1),
        run("dropout 0.5", 0, loss=[0.9, None, None, None]),
        run("base", 2, "fresh"),
    ]
    path = written(tmp_path, "\n".join(map(json.dumps, events)) + '\n{"event": "ru', "journal.jsonl")
    written(tmp_path, json.dumps({"variants": [{"name": "base", "recipe": {"patience": 3}}]}), "study.json")
    for found in (logs.read(path), logs.read(tmp_path)):
        assert [(h.variant, h.runs) for h in found] == [("base", 2), ("dropout 0.5", 1), ("base, fresh", 1)]
        same(found[0], {"loss": LOSS, "val_loss": VAL})
        assert (found[0].meta["linear"], found[0].meta["patience"]) == (0.8, 3)
        assert np.isnan(found[1]["loss"][0]).tolist() == [False, True, True, True]
        assert "left out" in found[0].meta["notes"][0]


def test_hugging_face(tmp_path):
    log = []
    for i in range(4):
        log += [{"epoch": i + 0.5, "step": 10 * i + 5, "loss": LOSS[i] + 0.1, "learning_rate": 1e-5}]
        log += [{"epoch": i + 1.0, "step": 10 * i + 10, "loss": LOSS[i] - 0.1, "learning_rate": 1e-5}]
        log += [
            {
                "epoch": i + 1.0,
                "step": 10 * i + 10,
                "eval_loss": VAL[i],
                "eval_accuracy": VAL_ACC[i],
                "eval_runtime": 3.0,
            }
        ]
    log += [{"epoch": 4.0, "step": 40, "train_loss": 0.48, "train_runtime": 100.0, "total_flos": 1e9}]
    state = {"log_history": log, "num_train_epochs": 4, "train_batch_size": 16}
    history = one(written(tmp_path, json.dumps(state)))
    same(history, {"loss": LOSS, "val_loss": VAL, "val_accuracy": VAL_ACC})
    assert history.meta["batch_size"] == 16
    for i in (10, 40):
        (tmp_path / "out" / f"checkpoint-{i}").mkdir(parents=True)
        part = {**state, "log_history": [e for e in log if e["step"] <= i]}
        (tmp_path / "out" / f"checkpoint-{i}" / "trainer_state.json").write_text(json.dumps(part))
    same(one(tmp_path / "out"), {"val_loss": VAL})


# --- tables -------------------------------------------------------------------------------------------------------


def csv(names, rows, by=","):
    return "\n".join(by.join(str(c) for c in r) for r in [names, *rows]) + "\n"


def keras_rows(start=0):
    return [(start + i, ACC[i], LOSS[i], VAL_ACC[i], VAL[i]) for i in range(4)]


KERAS = ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]


def test_keras_csv_with_fillers(tmp_path):
    rows = [list(r) for r in keras_rows()]
    rows[1][3] = rows[1][4] = "NA"
    history = one(written(tmp_path, csv(KERAS, rows)))
    assert history.meta["format"] == "Keras CSVLogger"
    same(history, {"loss": LOSS, "accuracy": ACC})
    assert np.isnan(history["val_loss"][0]).tolist() == [False, True, False, False]


@pytest.mark.parametrize("again", ["", ",".join(KERAS) + "\n"])
def test_keras_csv_appended_with_and_without_header(tmp_path, again):
    more = csv(KERAS, keras_rows()).split("\n", 1)[1]
    found = logs.read(written(tmp_path, csv(KERAS, keras_rows()) + again + more))
    assert [h.variant for h in found] == ["run 1", "run 2"]
    for h in found:
        same(h)


def test_a_resumed_training_is_one_run(tmp_path):
    more = csv(KERAS, keras_rows(4)).split("\n", 1)[1]
    assert one(written(tmp_path, csv(KERAS, keras_rows()) + more)).epochs == 8


def test_keras_csv_without_header(tmp_path):
    history = one(written(tmp_path, csv(KERAS, keras_rows()).split("\n", 1)[1]))
    same(history)
    assert "no header" in history.meta["notes"][0]


def test_a_ragged_line_is_left_out_and_told(tmp_path):
    history = one(written(tmp_path, csv(KERAS, keras_rows()) + "4,0.9\n"))
    same(history)
    assert history.meta["notes"] == ["1 of 6 lines did not fit and were left out, line 6 first"]


def test_lightning(tmp_path):
    names = [
        "epoch",
        "lr-Adam",
        "step",
        "train_acc_epoch",
        "train_loss_epoch",
        "train_loss_step",
        "val_acc",
        "val_loss",
    ]
    rows = []
    for i in range(4):
        rows += [(i, "", 10 * i, "", "", 7.0, "", ""), (i, 0.001, 10 * i + 5, "", "", 8.0, "", "")]
        rows += [(i, "", 10 * i + 9, "", "", "", VAL_ACC[i], VAL[i]), (i, "", 10 * i + 9, ACC[i], LOSS[i], "", "", "")]
    history = one(written(tmp_path, csv(names, rows), "metrics.csv"))
    assert history.meta["format"].startswith("Lightning")
    same(history)
    assert history["learning_rate"][0, 0] == 0.001


def test_lightning_test_row_is_no_epoch(tmp_path):
    names = ["epoch", "step", "test_loss", "train_loss", "val_loss"]
    rows = [r for i in range(4) for r in [(i, i, "", LOSS[i], ""), (i, i, "", "", VAL[i])]] + [(4, 4, 0.5, "", "")]
    same(one(written(tmp_path, csv(names, rows))), {"loss": LOSS, "val_loss": VAL})


def test_wandb_history(tmp_path):
    names = ["_step", "_runtime", "_timestamp", "epoch", "train/loss", "val/loss", "val/acc"]
    rows = []
    for i in range(4):
        rows += [(2 * i, 1, 1, i, LOSS[i], "", ""), (2 * i + 1, 1, 1, i, "", VAL[i], VAL_ACC[i])]
    history = one(written(tmp_path, csv(names, rows)))
    assert history.meta["format"] == "W&B history CSV"
    same(history, {"loss": LOSS, "val_loss": VAL, "val_accuracy": VAL_ACC})


def test_wandb_chart_has_a_run_a_column(tmp_path):
    names = ["Step", "a - val_loss", "a - val_loss__MIN", "a - val_loss__MAX", "b - val_loss", "b - val_loss__MIN"]
    rows = [(i, VAL[i], VAL[i], VAL[i], LOSS[i], LOSS[i]) for i in range(4)]
    found = logs.read(written(tmp_path, csv([f'"{n}"' for n in names], rows)))
    assert [h.variant for h in found] == ["a", "b"]
    same(found[1], {"val_loss": LOSS})


def test_ultralytics_classify_and_detect(tmp_path):
    names = ["epoch", "train/loss", "metrics/accuracy_top1", "metrics/accuracy_top5", "val/loss", "lr/pg0", "lr/pg1"]
    rows = [(i, LOSS[i], VAL_ACC[i], 1, VAL[i], 0.01, 0.02) for i in range(4)]
    text = csv([f"{n:>23}" for n in names], [[f"{c:>23}" for c in r] for r in rows])
    same(one(written(tmp_path, text)), {"loss": LOSS, "val_loss": VAL, "val_accuracy": VAL_ACC})
    names = ["epoch", "train/box_loss", "train/cls_loss", "metrics/mAP50(B)", "val/box_loss", "val/cls_loss"]
    history = one(written(tmp_path, csv(names, [(i, LOSS[i], 1, 0.5, VAL[i], 2) for i in range(4)])))
    same(history, {"loss": [v + 1 for v in LOSS], "val_loss": [v + 2 for v in VAL]})


@pytest.mark.parametrize(("by", "decimal"), [(",", "."), (";", "."), (";", ","), ("\t", "."), (" ", ".")])
def test_plain_tables(tmp_path, by, decimal):
    names = ["Epoch", "Training_Loss", "Train_Accuracy", "Validation_Loss", "Validation_Accuracy"]
    rows = [[str(c).replace(".", decimal) for c in (i + 1, LOSS[i], ACC[i], VAL[i], VAL_ACC[i])] for i in range(4)]
    same(one(written(tmp_path, csv(names, rows, by))))


def test_percent_becomes_a_share(tmp_path):
    history = one(
        written(
            tmp_path,
            csv(["loss", "val_loss", "val_acc"], [(a, b, 100 * c) for a, b, c in zip(LOSS, VAL, VAL_ACC, strict=True)]),
        )
    )
    same(history, {"val_accuracy": VAL_ACC})
    assert history.meta["notes"] == ["val_accuracy was in percent"]


def test_columns_of_variants_and_seeds(tmp_path):
    names = ["variant", "seed", "epoch", "loss", "val_loss"]
    rows = [(v, s, e + 1, LOSS[e] + s, VAL[e]) for v in ("base", "dropout 0.5") for s in (0, 1, 2) for e in range(4)]
    found = logs.read(written(tmp_path, csv(names, rows)))
    assert [(h.variant, h.runs) for h in found] == [("base", 3), ("dropout 0.5", 3)]
    np.testing.assert_allclose(found[1]["loss"][2], np.array(LOSS) + 2)


def test_other_encodings(tmp_path):
    same(one(written(tmp_path, csv(KERAS, keras_rows()), encoding="utf-16")))
    same(one(written(tmp_path, csv(KERAS, keras_rows()), encoding="utf-8-sig")))


# --- what fit printed ---------------------------------------------------------------------------------------------


def old_output():
    return "".join(
        f"Epoch {i + 1}/4\n 512/1000 [====>.....] - ETA: 1s - loss: 9.0 - acc: 0.1\r"
        f"1000/1000 [==========] - 3s 120us/step - loss: {LOSS[i]} - acc: {ACC[i]} "
        f"- val_loss: {VAL[i]} - val_acc: {VAL_ACC[i]}\n"
        for i in range(4)
    )


def new_output():
    bar = "\x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m"
    out = []
    for i in range(4):
        out.append(f"Epoch {i + 1}/4\n\x1b[1m 1/32\x1b[0m {bar} \x1b[1m2s\x1b[0m 80ms/step - accuracy: 0.1 - loss: 9.0")
        out.append("\x08" * 40)
        out.append(
            f"\x1b[1m32/32\x1b[0m {bar} \x1b[1m0s\x1b[0m 4ms/step - accuracy: {ACC[i]} - loss: {LOSS[i]} "
            f"- val_accuracy: {VAL_ACC[i]} - val_loss: {VAL[i]} - learning_rate: 1.0000e-04\n"
        )
        out.append(f"Epoch {i + 1}: val_loss improved from inf to {VAL[i]}, saving model to best.keras\n")
    return "".join(out)


def quiet_output():
    return "".join(
        f"Epoch {i + 1}/4\n32/32 - 1s - 20ms/step - accuracy: {ACC[i]} - loss: {LOSS[i]} "
        f"- val_accuracy: {VAL_ACC[i]} - val_loss: {VAL[i]}\n"
        for i in range(4)
    )


@pytest.mark.parametrize("output", [old_output, new_output, quiet_output])
def test_fit_output(tmp_path, output):
    history = one(written(tmp_path, "some warning\n" + output() + "Test accuracy: 0.8\n"))
    same(history)
    assert history.meta["epochs"] == 4


def test_fit_output_broken_off_and_started_again(tmp_path):
    text = old_output() + "Epoch 1/4\n 512/1000 [====>.....] - ETA: 1s - loss: 9.0 - acc: 0.1"
    same(one(written(tmp_path, text)))
    found = logs.read(written(tmp_path, old_output() + old_output()))
    assert len(found) == 2


def test_fit_output_with_nan(tmp_path):
    text = "Epoch 1/2\n1/1 - 0s - loss: 1e3\nEpoch 2/2\n1/1 - 0s - loss: nan\n"
    history = one(written(tmp_path, text))
    assert np.isnan(history["loss"][0]).tolist() == [False, True]


def test_a_notebook(tmp_path):
    cells = [{"cell_type": "code", "source": ["model.fit()"], "outputs": [{"text": old_output().splitlines(True)}]}]
    same(one(written(tmp_path, json.dumps({"cells": cells, "nbformat": 4}), "train.ipynb")))


# --- TensorBoard --------------------------------------------------------------------------------------------------


def varint(n):
    out = b""
    while True:
        n, low = n >> 7, n & 0x7F
        out += bytes([low | (0x80 if n else 0)])
        if not n:
            return out


def field(number, wire, content):
    return varint(number << 3 | wire) + (varint(len(content)) + content if wire == 2 else content)


def event(step, tag=None, number=None, how="simple"):
    body = field(1, 1, struct.pack("<d", 1.7e9)) + field(2, 0, varint(step))
    if tag is not None:
        if how == "simple":
            content = field(2, 5, struct.pack("<f", number))
        elif how == "tensor":
            content = field(8, 2, field(1, 0, varint(1)) + field(2, 2, b"") + field(5, 2, struct.pack("<f", number)))
        else:
            content = field(8, 2, field(1, 0, varint(2)) + field(4, 2, struct.pack("<d", number)))
        body += field(5, 2, field(1, 2, field(1, 2, tag.encode()) + content))
    return struct.pack("<Q", len(body)) + b"crc1" + body + b"crc2"


@pytest.mark.parametrize("how", ["simple", "tensor", "raw"])
def test_tensorboard_train_and_validation_folders_are_one_run(tmp_path, how):
    for side, loss, acc in (("train", LOSS, ACC), ("validation", VAL, VAL_ACC)):
        (tmp_path / "fit" / side).mkdir(parents=True)
        data = event(0) + b"".join(
            event(i, "epoch_loss", loss[i], how) + event(i, "epoch_accuracy", acc[i], how) for i in range(4)
        )
        (tmp_path / "fit" / side / "events.out.tfevents.1.host").write_bytes(data)
    same(one(tmp_path))
    same(one(tmp_path / "fit" / "train" / "events.out.tfevents.1.host"), {"loss": LOSS})


def test_tensorboard_steps_with_a_validation_now_and_then(tmp_path):
    data = b"".join(
        event(s, "Loss/train", LOSS[s // 5]) + (event(s, "Loss/val", VAL[s // 5]) if s % 5 == 4 else b"")
        for s in range(20)
    )
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(data)
    same(one(path), {"loss": LOSS, "val_loss": VAL})
    path.write_bytes(data[:-7])
    history = one(path)
    same(history, {"val_loss": VAL[:3]})
    assert "breaks off" in history.meta["notes"][0]


# --- MLflow -------------------------------------------------------------------------------------------------------


def test_mlflow_folder_joins_seeds(tmp_path):
    for seed in (0, 1):
        run = tmp_path / "mlruns" / "0" / f"abc{seed}"
        (run / "metrics" / "val").mkdir(parents=True)
        (run / "params").mkdir()
        (run / "meta.yaml").write_text(f"lifecycle_stage: active\nrun_name: try {seed}\n")
        (run / "params" / "seed").write_text(str(seed))
        (run / "params" / "batch_size").write_text("32")
        (run / "metrics" / "loss").write_text("".join(f"17000{i} {LOSS[i]} {i}\n" for i in range(4)))
        (run / "metrics" / "val" / "loss").write_text("".join(f"17000{i} {VAL[i]} {i}\n" for i in range(4)))
    history = one(tmp_path / "mlruns")
    assert history.runs == 2
    assert history.meta["batch_size"] == 32
    same(history, {"loss": LOSS, "val_loss": VAL})


def test_mlflow_database(tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as db:
        db.execute("create table runs (run_uuid, name, experiment_id, lifecycle_stage, start_time)")
        db.execute("create table metrics (key, value, timestamp, run_uuid, step, is_nan)")
        db.execute("create table params (key, value, run_uuid)")
        for i, name in enumerate(["first", "second", "gone"]):
            db.execute(
                "insert into runs values (?, ?, 0, ?, ?)", (name, name, "deleted" if name == "gone" else "active", i)
            )
            for e in range(4):
                db.execute(
                    "insert into metrics values ('loss', ?, ?, ?, ?, ?)", (0 if e == 3 else LOSS[e], e, name, e, e == 3)
                )
    db.close()
    found = logs.read(tmp_path / "mlflow.db")
    assert [h.variant for h in found] == ["first", "second"]
    assert np.isnan(found[0]["loss"][0]).tolist() == [False, False, False, True]


# --- all formats, any numbers -------------------------------------------------------------------------------------

finite = st.floats(1e-6, 1e6, allow_nan=False).map(lambda v: float(f"{v:.6g}"))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(finite, finite), min_size=2, max_size=12))
def test_any_curve_survives_every_writer(tmp_path, pairs):
    loss, val = [list(c) for c in zip(*pairs, strict=True)]
    n = range(len(loss))
    output = "".join(f"Epoch {i + 1}/{len(loss)}\n2/2 - 0s - loss: {loss[i]!r} - val_loss: {val[i]!r}\n" for i in n)
    texts = [
        json.dumps({"loss": loss, "val_loss": val}),
        csv(["epoch", "loss", "val_loss"], [(i, loss[i], val[i]) for i in n]),
        csv(["train_loss", "valid_loss"], pairs, ";"),
        "\n".join(json.dumps({"step": i, "train/loss": loss[i], "val/loss": val[i]}) for i in n),
        output,
    ]
    for text in texts:
        same(one(written(tmp_path, text)), {"loss": loss, "val_loss": val})
