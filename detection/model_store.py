"""Brings models to this machine: fetched from where the manifest says, or imported from files of the user's own."""

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from contracts.errors import ModelError, UnavailableError
from detection.cache import locked, write_atomically
from detection.manifest import ModelEntry, ModelFile, describe_cfg, read_models, sha256_of, user_models

_CHUNK = 1 << 18
_TIMEOUT_S = 30
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ENDINGS = {"cfg": ".cfg", "weights": ".weights", "calibration": ".calibration.json", "onnx": ".onnx"}

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and, if known, the bytes in all."""


def fetch(entry: ModelEntry, progress: Progress) -> list[Path]:
    """Download the files of a model that are absent or damaged. A download that broke off is taken up where it stopped.

    Returns:
        The files that were fetched.

    Raises:
        ModelError: a file has no address, or what came has the wrong sum; then nothing of it is left.
        UnavailableError: the server does not answer, or the connection broke; what came is kept for the next call.
    """
    fetched = []
    for role, file in entry.files.items():
        if file.problem() is None:
            continue
        if file.url is None or file.sha256 is None:
            raise ModelError(
                f"{entry.name}: {role} {file.path} is {file.problem()}, and there is no address to fetch it from"
            )
        with locked(file.path):
            if file.problem() is not None:
                _download(file, progress)
                fetched.append(file.path)
    return fetched


def import_cfg(cfg: Path, name: str | None, cache_dir: Path) -> ModelEntry:
    """Take in a Darknet model, FILE.cfg with FILE.weights beside it, after reading both.

    Raises:
        ModelError: a file is missing or damaged, or the name is taken by a shipped model or cannot be used.
    """
    from detection.loading import read_darknet  # loading reads what this module writes

    entry = describe_cfg(cfg)
    model = read_darknet(entry, cache_dir)
    if not model.kernels:
        raise ModelError(f"{cfg}: it has no convolution")
    extra = {"classes": list(entry.classes)} if entry.classes else {}
    return _keep(name or cfg.stem, "darknet", {role: file.path for role, file in entry.files.items()}, extra, cache_dir)


def import_weights(weights: Path, cache_dir: Path) -> ModelEntry:
    """Take in weights that a manifest names but does not ship; they are told by their SHA-256.

    Raises:
        ModelError: no model waits for this file.
    """
    found = sha256_of(weights)
    for entry in read_models(cache_dir).values():
        file = entry.files.get("weights")
        if file is not None and file.sha256 == found:
            write_atomically(file.path, weights.read_bytes())
            return entry
    raise ModelError(f"{weights}: no known model has weights with SHA-256 {found}; to add one, import its .cfg")


def import_onnx(file: Path, name: str | None, cache_dir: Path) -> ModelEntry:
    """Take in a YuNet or SCRFD; the kind is told from the shapes of its outputs.

    Raises:
        ModelError: it is neither, or the name is taken or cannot be used.
    """
    from detection.runtimes.onnx_faces import kind_of, open_session  # ONNX Runtime is needed only here

    return _keep(name or file.stem, kind_of(open_session(file, 1), file), {"onnx": file}, {}, cache_dir)


def _keep(name: str, kind: str, files: Mapping[str, Path], extra: Mapping[str, object], cache_dir: Path) -> ModelEntry:
    if not _NAME.fullmatch(name):
        raise ModelError(f"expected a name of letters, digits, '.', '_' and '-', got {name!r}")
    home = user_models(cache_dir)
    known = read_models(cache_dir)
    if name in known and not (home / f"{name}.toml").exists():
        raise ModelError(f"the name {name!r} is taken by a model that Crowdwatch ships; choose another with --name")
    lines = [f"[models.{json.dumps(name)}]", f'kind = "{kind}"']
    lines += [f"{key} = {json.dumps(value)}" for key, value in extra.items()]
    lines += ["", f"[models.{json.dumps(name)}.files]"]
    for role, source in files.items():
        kept = home / f"{name}{_ENDINGS[role]}"
        try:
            write_atomically(kept, source.read_bytes())
        except OSError as error:
            raise ModelError(f"{source}: {error.strerror}") from error
        lines.append(f'{role} = {{ file = {json.dumps(kept.name)}, sha256 = "{sha256_of(kept)}" }}')
    write_atomically(home / f"{name}.toml", ("\n".join(lines) + "\n").encode())
    return read_models(cache_dir)[name]


def _download(file: ModelFile, progress: Progress) -> None:
    assert file.url is not None
    if not file.url.startswith(("https://", "http://")):
        raise ModelError(f"expected an http or https address, got {file.url}")
    partial = file.path.with_name(f"{file.path.name}.download")
    have = partial.stat().st_size if partial.exists() else 0
    total: int | None = None
    request = urllib.request.Request(file.url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - checked
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - checked above
            resumes = response.status == 206
            have = have if resumes else 0
            length = response.headers.get("Content-Length")
            total = have + int(length) if length and length.isdigit() else None
            with open(partial, "ab" if resumes else "wb") as sink:
                while chunk := response.read(_CHUNK):
                    sink.write(chunk)
                    have += len(chunk)
                    progress(have, total)
                sink.flush()
                os.fsync(sink.fileno())
    except urllib.error.HTTPError as error:
        if error.code != 416:  # "range not satisfiable": all of it is there already
            raise UnavailableError(f"{file.url}: {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise UnavailableError(f"{file.url}: {error}; call again to go on after {have:,} bytes") from error
    if total is not None and have < total:
        raise UnavailableError(f"{file.url}: the connection broke after {have:,} bytes; call again to go on")
    found = sha256_of(partial)
    if found != file.sha256:
        partial.unlink()
        raise ModelError(f"{file.url}: wrong SHA-256: expected {file.sha256}, got {found}; nothing was kept")
    os.replace(partial, file.path)
