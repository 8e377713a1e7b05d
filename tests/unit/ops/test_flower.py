"""Flower's sign-in is made once and kept for its owner alone; tasks are shown as one reads them."""

from pathlib import Path

import pytest

from contracts.tasks import DetectRange
from ops.flower.sign_in import NAME, ensure_sign_in, kept_sign_in
from ops.flower.tasks import describe
from settings import Settings


def test_a_sign_in_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    assert kept_sign_in(tmp_path) is None
    made = ensure_sign_in(tmp_path)
    assert ensure_sign_in(tmp_path) == made == kept_sign_in(tmp_path)
    assert [file.stat().st_mode & 0o777 for file in tmp_path.iterdir()] == [0o600]


def test_one_that_is_given_replaces_the_one_that_was_kept(tmp_path: Path) -> None:
    ensure_sign_in(tmp_path)
    assert ensure_sign_in(tmp_path, "admin:given-by-the-site") == kept_sign_in(tmp_path) == "admin:given-by-the-site"
    assert ensure_sign_in(tmp_path) == "admin:given-by-the-site"


def test_it_is_one_that_the_settings_take_and_differs_everywhere(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    one, other = (ensure_sign_in(folder) for folder in folders)
    assert one != other
    assert Settings(flower_sign_in=one).flower_sign_in.startswith(f"{NAME}:")


def test_a_sign_in_appears_in_no_representation_of_the_settings() -> None:
    assert "swordfish" not in repr(Settings(flower_sign_in="admin:swordfish-2026"))


def test_a_task_is_told_by_its_range() -> None:
    kwargs = repr(DetectRange("frames", 3, 12, 40, 2).to_kwargs())
    assert describe(kwargs) == "frames/3 [12, 40) attempt 2"


@pytest.mark.parametrize("kwargs", [None, "", "{}", "{'topic': 'frames'}", "{'topic': ...", "[1]", "{'a': 1}"])
def test_what_is_no_detection_task_stays_as_it_is(kwargs: str | None) -> None:
    assert describe(kwargs) == kwargs
