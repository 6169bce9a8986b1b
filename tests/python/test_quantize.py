"""`tare quantize` against NumPy, onnx's checker, ONNX Runtime and OpenVINO; and what it refuses."""
import json
import struct

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import pipeline_reference
import quantize_reference as reference
from conftest import DATA

PICTURES = DATA / "sample/images"
SIZE = 160


@pytest.fixture(scope="module")
def model(small_yolov8):
    return small_yolov8(SIZE)


@pytest.fixture(scope="module")
def activations(model):
    """{tensor: [its values for each picture]} of all convolutions, SiLUs and additions."""
    graph = onnx.load(model)
    wanted = [o for n in graph.graph.node for o in n.output if n.op_type in ("Conv", "Mul", "Add")]
    known = {o.name for o in graph.graph.output}
    graph.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name)
                              for name in wanted if name not in known)
    session = onnxruntime.InferenceSession(graph.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    found = {name: [] for name in ["images", *wanted]}
    for path in sorted(PICTURES.glob("*.jpg")):
        tensor, _ = pipeline_reference.letterbox(path, SIZE)
        found["images"].append(tensor)
        for name, value in zip(wanted, session.run(wanted, {"images": tensor})):
            found[name].append(value)
    return found


def quantize(tare, model, output, *options, pictures=PICTURES):
    done = tare("quantize", model, "--images", pictures, "-o", output, *options)
    assert done.returncode == 0, done.stderr
    return done


def rows(path):
    return {row["tensor"]: row for row in json.loads(path.read_text())["tensors"]}


def is_sum(name):
    return name.endswith("Add_output_0")



@pytest.fixture(scope="module")
def tables(tare, model, tmp_path_factory):
    """{method: its calibration table} of the openvino profile."""
    folder = tmp_path_factory.mktemp("tables")
    found = {}
    for method in ("entropy", "minmax", "percentile", "mse", "auto"):
        quantize(tare, model, folder / "x.onnx", "--for", "openvino", "-m", method,
                 "--save-table", folder / "t.json")
        found[method] = rows(folder / "t.json")
    return found


def test_minmax_is_the_mean_of_the_pictures_extremes(tables, activations):
    checked = 0
    for name, row in tables["minmax"].items():
        if row["method"] != "minmax":
            continue
        low, high = reference.minmax(activations[name])
        assert row["high"] == pytest.approx(high, rel=1e-4, abs=1e-5), name
        if is_sum(name):
            assert row["low"] == pytest.approx(low, rel=1e-4, abs=1e-5), name
        checked += 1
    assert checked > 60
    assert (tables["minmax"]["images"]["low"], tables["minmax"]["images"]["high"]) == (0, 1)


def test_percentiles(tables, activations):
    for name, row in tables["percentile"].items():
        if row["method"] != "percentile":
            continue
        low, high = reference.percentile(activations[name])
        step = 2 * reference.histogram(activations[name])[1] / reference.BINS
        assert row["high"] == pytest.approx(high, abs=(1.01 if is_sum(name) else 3) * step), name
        assert row["low"] == pytest.approx(low, abs=(1.01 if is_sum(name) else 3) * step), name


def test_entropy_takes_the_threshold_of_least_divergence(tables, activations):
    checked = 0
    for name, row in tables["entropy"].items():
        if row["method"] != "entropy":
            continue
        if name.endswith("Mul_output_0"):
            before = name.replace("act/Mul", "conv/Conv")
            counts, reach = reference.silu_histogram(activations[before])
        else:
            counts, reach = reference.histogram(activations[name])
        width = 2 * reach / reference.BINS
        least = max(map(abs, reference.minmax(activations[name])))
        found = reference.divergences(counts, 256, int(np.ceil(least / width)))
        most = max(float(a.max()) for a in activations[name])
        best = min(min(found, key=found.get) * width, most)
        assert row["high"] == pytest.approx(best, rel=1e-4), name
        checked += 1
    assert checked > 60


def test_the_least_squared_error_and_the_best_of_all(tables, activations):
    for name, row in tables["mse"].items():
        if row["method"] != "mse":
            continue
        values = activations[name]
        ours = reference.error(values, row["low"], row["high"])
        others = [reference.error(values, tables[m][name]["low"], tables[m][name]["high"])
                  for m in ("minmax", "percentile", "entropy")]
        assert ours <= min(others) * 1.1, name
    chosen = {row["method"] for row in tables["auto"].values()}
    assert len(chosen - {"fixed"}) > 1 and "auto" not in chosen


# --- the file ------------------------------------------------------------------------------------

def constants(graph):
    return {i.name: numpy_helper.to_array(i) for i in graph.graph.initializer}


def pairs(graph):
    """{tensor: (scale, zero point)} of the Q/DQ pairs on activations."""
    values = constants(graph)
    return {n.input[0].removesuffix(".raw"): (values[n.input[1]], values[n.input[2]])
            for n in graph.graph.node if n.op_type == "QuantizeLinear"}


def originals(model):
    return {n.output[0]: n for n in onnx.load(model).graph.node}


@pytest.mark.parametrize("target, vnni, most", (("cpu", "yes", 127), ("cpu", "no", 64),
                                                ("openvino", "yes", 127),
                                                ("tensorrt", "no", 127)))
def test_scales_zero_points_weights_and_biases(tare, model, tmp_path, target, vnni, most):
    output, table = tmp_path / "q.onnx", tmp_path / "t.json"
    quantize(tare, model, output, "--for", target, "--vnni", vnni, "--save-table", table)
    graph, ranges = onnx.load(output), rows(table)
    onnx.checker.check_model(graph, full_check=True)
    values, before = constants(graph), constants(onnx.load(model))
    found = pairs(graph)
    makers = originals(model)
    kernels = 0
    for name, (scale, zero) in found.items():
        if makers.get(name) is not None and makers[name].op_type == "Sigmoid":
            assert scale == np.float32(1 / 256) and zero == 0
        elif target == "tensorrt":
            assert zero == 0 and zero.dtype == np.int8
        else:
            assert zero.dtype == np.uint8
    for conv in (n for n in graph.graph.node if n.op_type == "Conv"):
        name = conv.output[0].removesuffix(".raw")
        if name + ".weight.q" not in values:
            continue
        weight = before[makers[name].input[1]]
        scale = values[name + ".weight.scale"]
        np.testing.assert_allclose(scale, np.abs(weight).max((1, 2, 3)) / most, rtol=1e-6)
        expected = np.rint(weight / scale[:, None, None, None])
        lags = ranges.get(conv.input[0].removesuffix(".dq"), {}).get("lags")
        if weight.shape[2] == 3 and lags:
            expected = reference.round_kernels(weight, scale, most,
                                               reference.window_moments(lags))
            kernels += 1
        if weight.shape[2] == 1 or lags:  # otherwise its input is a part of what has lags
            assert (values[name + ".weight.q"] != expected).mean() < 2e-3, name  # ties
        if target == "cpu":
            source = conv.input[0].removesuffix(".dq")
            np.testing.assert_allclose(values[name + ".bias.scale"], scale * found[source][0],
                                       rtol=1e-6)
        else:
            assert values[name + ".bias"].dtype == np.float32
    assert kernels > 15
    gelus = sum(n.op_type == "QuickGelu" for n in graph.graph.node)
    sigmoids = sum(n.op_type == "Sigmoid" for n in graph.graph.node)
    if (target, vnni) == ("cpu", "yes"):  # but for the three first convolutions'
        assert (gelus, sigmoids) == (54, 3)
    else:
        assert (gelus, sigmoids) == (0, 57)
    if target == "cpu":
        first = ranges["/model.4/m.0/cv1/conv/Conv_output_0"]
        scale, zero = found["/model.4/m.0/cv1/conv/Conv_output_0"]
        assert scale == pytest.approx((first["high"] - first["low"]) / 255, rel=1e-5)
        assert zero == round(-first["low"] / float(scale))


def test_the_bias_takes_off_what_rounding_adds_on_the_mean(tare, model, tmp_path):
    output, table = tmp_path / "q.onnx", tmp_path / "t.json"
    quantize(tare, model, output, "--for", "openvino", "--vnni", "no", "--save-table", table)
    values, before = constants(onnx.load(output)), constants(onnx.load(model))
    name, source = "/model.1/conv/Conv_output_0", "/model.0/act/Mul_output_0"
    node = originals(model)[name]
    weight, bias = before[node.input[1]], before[node.input[2]]
    rounded = values[name + ".weight.q"] * values[name + ".weight.scale"][:, None, None, None]
    shift = (rounded - weight).sum((2, 3)) @ np.array(rows(table)[source]["means"])
    np.testing.assert_allclose(values[name + ".bias"], bias - shift, atol=1e-5)
    assert np.abs(shift).max() > 1e-3


def test_lags_tell_how_alike_neighbours_are(tables, activations):
    name = "/model.4/m.0/cv1/act/Mul_output_0"
    lags = tables["entropy"][name]["lags"]
    values = np.concatenate(activations[name]).astype(np.float64)
    square = (values ** 2).mean()
    beside = (values[..., 1:] * values[..., :-1]).mean() / square
    below = (values[..., 2:, :] * values[..., :-2, :]).mean() / square
    assert lags[0] == 1
    assert lags[1] == pytest.approx(beside, abs=0.05)
    assert lags[reference.LAGS.index((2, 0))] == pytest.approx(below, abs=0.05)


def test_means_are_those_of_the_channels(tables, activations):
    for name, row in tables["entropy"].items():
        mean = np.mean([a.mean((0, 2, 3)) for a in activations[name]], axis=0)
        np.testing.assert_allclose(row["means"], mean, atol=0.01 * np.abs(activations[name]).max())


def test_what_only_moves_values_shares_one_scale(tare, model, tmp_path):
    quantize(tare, model, tmp_path / "q.onnx", "--for", "cpu")
    graph = onnx.load(tmp_path / "q.onnx")
    found = pairs(graph)
    moved = 0
    for node in graph.graph.node:
        if node.op_type in ("Concat", "Split", "MaxPool", "Resize"):
            names = [n.removesuffix(".dq") for n in [*node.input, *node.output]]
            scales = {float(found[n][0]) for n in names if n in found}
            assert len(scales) == 1 or (not scales and "/Resize" in node.name), node.name
            moved += len(scales)
    assert moved == 24


def test_8_bit_pixels_are_repeated_as_resize_would(tare, model, tmp_path):
    quantize(tare, model, tmp_path / "q.onnx", "--for", "cpu")
    graph = onnx.load(tmp_path / "q.onnx")
    resized = {n.output[0]: n.input[0] for n in onnx.load(model).graph.node
               if n.op_type == "Resize"}
    assert len(resized) == 2 and not any(n.op_type == "Resize" for n in graph.graph.node)
    wanted = [f"{name}.q" for pair in resized.items() for name in pair]
    graph.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None)
                              for name in wanted)
    session = onnxruntime.InferenceSession(graph.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    tensor, _ = pipeline_reference.letterbox(sorted(PICTURES.glob("*.jpg"))[0], SIZE)
    for made, source in zip(*[iter(session.run(wanted, {"images": tensor}))] * 2):
        assert source.std() > 0
        assert (made == source.repeat(2, 2).repeat(2, 3)).all()


def test_the_decode_of_a_full_head_stays_in_float(tare, tmp_path):
    tare("export", DATA / "yolov8n.pt", "--imgsz", SIZE, "--head", "full",
         "-o", tmp_path / "f.onnx")
    quantize(tare, tmp_path / "f.onnx", tmp_path / "q.onnx", "--for", "cpu")
    graph = onnx.load(tmp_path / "q.onnx")
    onnx.checker.check_model(graph, full_check=True)
    made = {o: n for n in graph.graph.node for o in n.output}
    kinds = ("Reshape", "Softmax", "Transpose", "Sub")
    decode = [n for n in graph.graph.node if n.op_type in kinds and "/Resize" not in n.name]
    assert len(decode) == 11
    for node in decode:
        assert made[node.input[0]].op_type not in ("DequantizeLinear", "QuantizeLinear")


def ratio_db(exact, other):
    return 10 * np.log10((exact ** 2).sum() / ((exact - other) ** 2).sum())


@pytest.mark.parametrize("target", ("cpu", "openvino", "tensorrt"))
def test_it_runs_and_stays_near(tare, model, tmp_path, target):
    openvino = pytest.importorskip("openvino")
    quantize(tare, model, tmp_path / "q.onnx", "--for", target)
    tensor, _ = pipeline_reference.letterbox(sorted(PICTURES.glob("*.jpg"))[0], SIZE)
    names = [o.name for o in onnx.load(model).graph.output]

    def by_onnxruntime(path):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return session.run(names, {"images": tensor})

    exact = by_onnxruntime(model)
    compiled = openvino.Core().compile_model(str(tmp_path / "q.onnx"), "CPU")
    result = compiled(tensor)
    for a, b, name in zip(exact, by_onnxruntime(tmp_path / "q.onnx"), names):
        assert ratio_db(a, b) > 12
        assert ratio_db(a, result[name]) > 3  # its 8-bit products may saturate here


def test_the_same_pictures_give_the_same_bytes(tare, model, tmp_path):
    for name in "ab":
        quantize(tare, model, tmp_path / name, "--save-table", tmp_path / (name + ".json"),
                 "--threads", 1 if name == "a" else 2)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_table_gives_the_same_file_again_and_can_be_edited(tare, model, tmp_path):
    quantize(tare, model, tmp_path / "a.onnx", "--save-table", tmp_path / "t.json")
    done = tare("quantize", model, "--table", tmp_path / "t.json", "-o", tmp_path / "b.onnx")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    table = json.loads((tmp_path / "t.json").read_text())
    row = next(r for r in table["tensors"] if r["tensor"] == "/model.8/cv2/act/Mul_output_0")
    row["high"], row["low"] = 254, -1
    (tmp_path / "t.json").write_text(json.dumps(table))
    tare("quantize", model, "--table", tmp_path / "t.json", "-o", tmp_path / "c.onnx")
    scale, zero = pairs(onnx.load(tmp_path / "c.onnx"))[row["tensor"]]
    assert scale == 1 and zero == 1


def test_the_calibration_cache(tare, model, tmp_path):
    """The layout that TensorRT reads: a header line, then a float's bits in hexadecimal."""
    quantize(tare, model, tmp_path / "q.onnx", "--for", "tensorrt", "--cache", tmp_path / "c.cache",
             "--trt-version", "100300")
    head, *lines = (tmp_path / "c.cache").read_text().splitlines()
    assert head == "TRT-100300-EntropyCalibration2"
    scales = {}
    for line in lines:
        name, digits = line.rsplit(": ", 1)
        assert len(digits) == 8
        scales[name] = struct.unpack(">f", bytes.fromhex(digits))[0]
    assert scales["images"] == pytest.approx(1 / 127)
    for name, (scale, _) in pairs(onnx.load(tmp_path / "q.onnx")).items():
        assert scales[name] == pytest.approx(float(scale)), name


# --- what is refused -----------------------------------------------------------------------------

def refused(tare, tmp_path, *arguments, code=1):
    done = tare("quantize", *arguments, "-o", tmp_path / "out.onnx")
    assert done.returncode == code and done.stdout == ""
    assert not (tmp_path / "out.onnx").exists()
    return done.stderr


def test_no_pictures(tare, model, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no pictures in" in refused(tare, tmp_path, model, "--images", tmp_path / "empty")
    refused(tare, tmp_path, model, "--images", tmp_path / "absent")
    assert "--images" in refused(tare, tmp_path, model, code=2)


def test_a_broken_picture_is_named(tare, model, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p/bad.jpg").write_bytes(b"no picture")
    assert "bad.jpg" in refused(tare, tmp_path, model, "--images", tmp_path / "p")


def test_few_pictures_are_told(tare, model, tmp_path):
    done = quantize(tare, model, tmp_path / "q.onnx", "--limit", 2)
    assert "2 pictures" in done.stderr and "%" in done.stderr
    assert "warning" not in quantize(tare, model, tmp_path / "q.onnx").stderr


def test_a_tensor_with_nan_is_named(tare, model, tmp_path):
    graph = onnx.load(model)
    node = next(n for n in graph.graph.node if n.name == "/model.3/conv/Conv")
    bias = next(i for i in graph.graph.initializer if i.name == node.input[2])
    spoilt = numpy_helper.to_array(bias).copy()
    spoilt[3] = np.nan
    bias.CopyFrom(numpy_helper.from_array(spoilt, bias.name))
    onnx.save(graph, tmp_path / "nan.onnx")
    said = refused(tare, tmp_path, tmp_path / "nan.onnx", "--images", PICTURES, "--threads", 1)
    assert "/model.3/conv/Conv_output_0" in said and "NaN" in said and ".jpg" in said


def test_what_is_no_model_for_it(tare, model, tmp_path):
    quantize(tare, model, tmp_path / "q.onnx")
    said = refused(tare, tmp_path, tmp_path / "q.onnx", "--images", PICTURES)
    assert "quantised already" in said
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    refused(tare, tmp_path, tmp_path / "x.onnx", "--images", PICTURES)
    said = refused(tare, tmp_path, model, "--images", PICTURES, "-m", "luck", code=2)
    assert "luck" in said and "entropy" in said


def test_a_table_of_another_model(tare, model, tmp_path):
    quantize(tare, model, tmp_path / "q.onnx", "--save-table", tmp_path / "t.json")
    table = json.loads((tmp_path / "t.json").read_text())
    row = next(r for r in table["tensors"] if r["tensor"] == "/model.8/cv2/act/Mul_output_0")
    row["tensor"] = "nowhere"
    (tmp_path / "t.json").write_text(json.dumps(table))
    assert "'nowhere'" in refused(tare, tmp_path, model, "--table", tmp_path / "t.json")
    table["tensors"].remove(row)
    (tmp_path / "t.json").write_text(json.dumps(table))
    assert "no row for tensor" in refused(tare, tmp_path, model, "--table", tmp_path / "t.json")
