"""Manifests, fetching with resume, and importing."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from contracts.errors import ConfigurationError, ModelError, UnavailableError
from detection import load_detector
from detection.manifest import ModelEntry, ModelFile, find_model, read_models, user_models
from detection.model_store import fetch, import_cfg, import_onnx, import_weights
from tests.unit.detection import darknet_files as files

CONTENT = bytes(range(256)) * 4000


class Server(ThreadingHTTPServer):
    """Serves CONTENT, breaking off after `cut` bytes of each answer; `asked` are the ranges that clients asked for."""

    cut: int | None = None
    asked: list[str | None]
    daemon_threads = False


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if self.path != "/model":
            self.send_error(404)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:][: self.server.cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def entry(
    directory: Path, server: Server, sha256: str = hashlib.sha256(CONTENT).hexdigest(), path: str = "/model"
) -> ModelEntry:
    url = f"http://127.0.0.1:{server.server_port}{path}"
    return ModelEntry("m", "darknet", {"weights": ModelFile(directory / "m.weights", sha256, url)})


def test_fetch_goes_on_where_it_stopped(tmp_path: Path, server: Server) -> None:
    seen: list[tuple[int, int | None]] = []
    server.cut = 300_000
    with pytest.raises(UnavailableError, match="the connection broke after 300,000 bytes; call again to go on"):
        fetch(entry(tmp_path, server), lambda done, total: seen.append((done, total)))
    server.cut = None

    fetched = fetch(entry(tmp_path, server), lambda done, total: seen.append((done, total)))

    assert fetched == [tmp_path / "m.weights"]
    assert fetched[0].read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert fetch(entry(tmp_path, server), lambda done, total: None) == []


def test_a_wrong_sum_leaves_nothing_behind(tmp_path: Path, server: Server) -> None:
    with pytest.raises(ModelError, match=r"wrong SHA-256: expected 0+, got .*; nothing was kept"):
        fetch(entry(tmp_path, server, sha256="0" * 64), lambda done, total: None)

    assert [path.name for path in tmp_path.iterdir() if path.name[0] != "."] == []


def test_fetch_says_what_stands_in_the_way(tmp_path: Path, server: Server) -> None:
    with pytest.raises(UnavailableError, match="404 Not Found"):
        fetch(entry(tmp_path, server, path="/other"), lambda done, total: None)
    nowhere = ModelEntry("m", "darknet", {"weights": ModelFile(tmp_path / "x")})
    with pytest.raises(ModelError, match="absent, and there is no address to fetch it from"):
        fetch(nowhere, lambda done, total: None)
    local = ModelEntry("m", "darknet", {"weights": ModelFile(tmp_path / "x", "0" * 64, "file:///etc/passwd")})
    with pytest.raises(ModelError, match="expected an http or https address"):
        fetch(local, lambda done, total: None)


def test_what_is_shipped_has_its_sums(tmp_path: Path) -> None:
    for shipped in read_models(tmp_path).values():
        problems = {role: file.problem() for role, file in shipped.files.items() if file.url is None}
        assert set(problems.values()) == {None}, (shipped.name, problems)
    lite = find_model("yolov3-face-lite", tmp_path)
    assert set(lite.approved_precisions) == {"float32", "bfloat16", "int8"}


def test_precisions_that_lose_too_much_are_not_approved() -> None:
    measured = ModelEntry("m", "darknet", {}, average_precision={"float32": 0.9, "bfloat16": 0.896, "int8": 0.894})
    assert measured.approved_precisions == ("float32", "bfloat16")
    assert ModelEntry("m", "darknet", {}).approved_precisions == ("float32",)


def test_import_a_cfg(tmp_path: Path) -> None:
    cfg = files.write_model(tmp_path, files.small(classes=2), "mine")
    cfg.with_suffix(".names").write_text("a\nb\n")

    imported = import_cfg(cfg, "my-net", tmp_path / "cache")

    assert imported.classes == ("a", "b")
    assert all(file.problem() is None for file in imported.files.values())
    detector = load_detector("my-net", runtime="onnxruntime", cache_dir=tmp_path / "cache")
    assert detector.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("../up", "expected a name of letters"), ("yolov3-face-lite", "is taken by a model that Crowdwatch ships")],
)
def test_names_that_cannot_be_used(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        import_cfg(files.write_model(tmp_path, files.small()), name, tmp_path / "cache")


def test_damaged_imports_are_refused(tmp_path: Path) -> None:
    cfg = files.write_model(tmp_path, files.small())
    cfg.with_suffix(".weights").write_bytes(files.random_weights(files.small())[:-8])
    with pytest.raises(ModelError, match="8 bytes too short"):
        import_cfg(cfg, None, tmp_path / "cache")
    with pytest.raises(ModelError, match="no known model has weights with SHA-256"):
        import_weights(cfg.with_suffix(".weights"), tmp_path / "cache")
    with pytest.raises(ModelError, match="ONNX Runtime cannot read it"):
        import_onnx(cfg, None, tmp_path / "cache")


def test_damaged_manifests_are_named(tmp_path: Path) -> None:
    home = user_models(tmp_path)
    home.mkdir()
    for text, reason in (
        ("[models.x", "cannot be read"),
        ('[models.x]\nfit = "letterbox"\n', "cannot be read: KeyError 'files'"),
        ("[models.x]\ncolour = 1\nfiles = {}\n", r"unknown keys \['colour'\]; known: average_precision"),
        ('[models.x]\nkind = "ssd"\nfiles = {}\n', "expected kind"),
        ('[models.x.files]\nonnx = { file = "a" }\n', "unknown file 'onnx'; known: cfg, weights, calibration"),
    ):
        (home / "x.toml").write_text(text)
        with pytest.raises(ModelError, match=reason):
            read_models(tmp_path)


def heads(kind: str) -> bytes:
    """A file with the outputs of YuNet or SCRFD at 64 pixels, all constant: one certain face of 16x16 at cell (1, 2) of
    stride 16."""
    nodes, outputs, constants = [], [], []
    anchors = 2 if kind == "scrfd" else 1
    names = {"scrfd": ["score", "bbox"], "yunet": ["cls", "obj", "bbox"]}[kind]
    for name in names:
        for stride in (8, 16, 32):
            places = (64 // stride) ** 2 * anchors
            value = np.zeros((1, places, 4 if name == "bbox" else 1), np.float32)
            if stride == 16:
                at = (2 * 4 + 1) * anchors
                box = [0.5, 0.5, 0.5, 0.5] if kind == "scrfd" else [0.5, 0.5, 0, 0]
                value[0, at] = box if name == "bbox" else 0.9
            output = f"{name}_{stride}"
            constants.append(numpy_helper.from_array(value, f"{output}.value"))
            nodes.append(helper.make_node("Add", [f"{output}.value", "zero"], [output]))
            outputs.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, value.shape))
    nodes.insert(0, helper.make_node("ReduceMax", ["input"], ["most"], keepdims=0))
    nodes.insert(1, helper.make_node("Mul", ["most", "nought"], ["zero"]))
    constants.append(numpy_helper.from_array(np.float32(0), "nought"))
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 64, 64])
    graph = helper.make_graph(nodes, kind, [picture], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize(
    ("kind", "expected"), [("scrfd", [8, 24, 24, 40]), ("yunet", [16, 32, 32, 48])], ids=["scrfd", "yunet"]
)
def test_other_detectors(kind: str, expected: list[int], tmp_path: Path) -> None:
    file = tmp_path / "brought.onnx"
    file.write_bytes(heads(kind))

    imported = import_onnx(file, None, tmp_path / "cache")
    detector = load_detector("brought", cache_dir=tmp_path / "cache")
    small, large = detector.detect([np.zeros((64, 64, 3), np.uint8), np.zeros((128, 128, 3), np.uint8)])

    assert imported.kind == kind
    assert detector.input_size == (64, 64)
    np.testing.assert_allclose(small.boxes_xyxy, [expected], atol=1e-3)
    np.testing.assert_allclose(large.boxes_xyxy, 2 * np.array([expected]), atol=1e-3)
    np.testing.assert_allclose(small.confidence, [0.9], atol=1e-6)
    with pytest.raises(ConfigurationError, match="brought runs on onnxruntime alone, not on openvino"):
        load_detector("brought", runtime="openvino", cache_dir=tmp_path / "cache")


def test_an_onnx_of_another_kind_is_refused(tmp_path: Path) -> None:
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 8, 8])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Relu", ["input"], ["out"])], "g", [picture], [out])
    file = tmp_path / "other.onnx"
    file.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )

    with pytest.raises(ModelError, match=r"expected the outputs of YuNet or SCRFD, got out \[1, 3, 8, 8\]"):
        import_onnx(file, None, tmp_path)
