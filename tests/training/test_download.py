"""A file arrives whole and as expected, or not at all, whatever the server does."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.training.loopback import Site, serving
from unet_playground.errors import MissingData
from unet_playground.training.arrange import Arranged
from unet_playground.training.download import REDIRECTS, Download, Patience, download
from unet_playground.training.sources import Source

CONTENT = bytes(range(256)) * 1200
HASH = hashlib.sha256(CONTENT).hexdigest()
Fetch = Callable[..., Download]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Site(CONTENT)) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "secret-folder" / "downloads"


@pytest.fixture
def fetch(site: Site, folder: Path) -> Fetch:
    def run(size: int | None = None, known: str | None = None, retries: int = 3, read: float = 5, **more) -> Download:
        source = Source(site.address, "CC0", "nobody", "set", bool, lambda *_: Arranged(0), known, size)
        patience = Patience(connect=5, read=read, retries=retries, pause=0.01)
        return download(source, folder, patience=patience, **more)

    return run


def _refusal(fetch: Fetch, **more) -> str:
    """The sentence that a download ends with: it names no path and speaks both languages."""
    with pytest.raises(MissingData) as caught:
        fetch(**more)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert caught.value.text.zh.endswith("。")
    assert "secret-folder" not in str(caught.value)
    return str(caught.value)


def _files(folder: Path) -> list[str]:
    """Everything below the folder that the test's own folder holds, with nothing beside it."""
    assert [path.name for path in folder.parent.parent.iterdir()] == ["secret-folder"]
    assert [path.name for path in folder.parent.iterdir()] == ["downloads"]
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_arrives(fetch: Fetch, folder: Path):
    seen: list[tuple[int, int | None]] = []
    result = fetch(known=HASH, progress=lambda done, total: seen.append((done, total)))
    assert result == Download(folder / "set.zip", HASH, expected=True)
    assert result.path.read_bytes() == CONTENT
    assert _files(folder) == ["set.zip"]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert (seen[0], seen[-1]) == ((0, len(CONTENT)), (len(CONTENT), len(CONTENT)))


def test_an_unknown_hash_is_reported(fetch: Fetch, folder: Path):
    assert fetch() == Download(folder / "set.zip", HASH, expected=False)


def test_the_hash_that_the_caller_gives_counts(fetch: Fetch):
    assert fetch(known="0" * 64, sha256=HASH).expected


def test_a_file_that_is_there_is_checked_and_not_fetched_again(fetch: Fetch, site: Site):
    first = fetch()
    assert fetch() == first
    assert fetch(sha256=HASH.upper()) == Download(first.path, HASH, expected=True)
    assert len(site.asked) == 1


def test_a_wrong_hash_leaves_nothing(fetch: Fetch, site: Site, folder: Path):
    sentence = _refusal(fetch, known="0" * 64)
    assert "0" * 64 in sentence
    assert HASH in sentence
    assert _files(folder) == []


def test_a_wrong_hash_takes_no_file_that_was_there_whole(fetch: Fetch, site: Site, folder: Path):
    fetch()
    sentence = _refusal(fetch, sha256="0" * 64)
    assert HASH in sentence
    assert "It was kept; remove it" in sentence
    assert _files(folder) == ["set.zip"]
    assert fetch(sha256=HASH).expected
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    "version", [{"version": '"one"'}, {"version": None, "modified": "Mon, 01 Jun 2020 00:00:00 GMT"}]
)
def test_an_interruption_is_gone_on_from(fetch: Fetch, site: Site, folder: Path, version: dict[str, str | None]):
    for name, value in version.items():
        setattr(site, name, value)
    site.cuts = [100_000, 50_000]
    assert fetch(sha256=HASH).path.read_bytes() == CONTENT
    assert [one.get("range") for one in site.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert {one.get("if-range") for one in site.asked[1:]} == {site.version or site.modified}
    assert _files(folder) == ["set.zip"]


def test_a_later_call_goes_on(fetch: Fetch, site: Site, folder: Path):
    site.cuts = [100_000]
    assert "broke the transfer off (attempts: 1)" in _refusal(fetch, retries=0)
    assert _files(folder) == ["set.zip.part", "set.zip.part.json"]
    assert fetch(sha256=HASH).path.read_bytes() == CONTENT
    assert site.asked[1]["range"] == "bytes=100000-"
    assert _files(folder) == ["set.zip"]


def test_retries_are_bounded(fetch: Fetch, site: Site):
    site.cuts = [10] * 9
    assert "attempts: 4" in _refusal(fetch)
    assert len(site.asked) == 4


def test_a_server_without_ranges_starts_anew(fetch: Fetch, site: Site):
    site.ranges, site.cuts = False, [100_000]
    assert fetch(sha256=HASH).path.read_bytes() == CONTENT
    assert "range" in site.asked[1]


def test_without_a_version_nothing_is_gone_on_from(fetch: Fetch, site: Site):
    site.version, site.cuts = 'W/"weak"', [100_000]
    assert fetch(sha256=HASH).path.read_bytes() == CONTENT
    assert "range" not in site.asked[1]


@pytest.mark.parametrize("heeds", [True, False])
def test_a_file_that_changed_in_between_starts_anew(fetch: Fetch, site: Site, heeds: bool):
    site.cuts = [100_000]
    _refusal(fetch, retries=0)
    site.content, site.version, site.heeds_version = CONTENT[::-1] + b"longer", '"two"', heeds
    assert fetch().path.read_bytes() == site.content


def test_a_part_of_another_address_is_not_gone_on_from(fetch: Fetch, site: Site):
    site.cuts = [100_000]
    _refusal(fetch, retries=0)
    assert fetch(address=f"{site.address}?mirror").path.read_bytes() == CONTENT
    assert "range" not in site.asked[1]


@pytest.mark.parametrize("record", ["{", "[]", "{}", '{"address": 1, "version": 2}'])
def test_a_broken_record_starts_anew(fetch: Fetch, site: Site, folder: Path, record: str):
    site.cuts = [100_000]
    _refusal(fetch, retries=0)
    (folder / "set.zip.part.json").write_text(record)
    assert fetch().path.read_bytes() == CONTENT


def test_a_complete_part_needs_no_more_bytes(fetch: Fetch, site: Site, folder: Path):
    folder.mkdir(parents=True)
    (folder / "set.zip.part").write_bytes(CONTENT)
    (folder / "set.zip.part.json").write_text(json.dumps({"address": site.address, "version": site.version}))
    assert fetch(sha256=HASH).path.read_bytes() == CONTENT
    assert len(site.asked) == 1  # answered with 416


def test_a_part_longer_than_the_file_starts_anew(fetch: Fetch, site: Site, folder: Path):
    folder.mkdir(parents=True)
    (folder / "set.zip.part").write_bytes(CONTENT * 2)
    (folder / "set.zip.part.json").write_text(json.dumps({"address": site.address, "version": site.version}))
    assert fetch(sha256=HASH).path.read_bytes() == CONTENT


def test_a_piece_that_was_not_asked_for_is_not_kept(fetch: Fetch, site: Site, monkeypatch: pytest.MonkeyPatch):
    site.cuts = [100_000]
    _refusal(fetch, retries=0)
    monkeypatch.setattr(site, "start_of", lambda headers: 5 if "range" in headers else None)
    assert fetch(sha256=HASH).path.read_bytes() == CONTENT


def test_a_length_that_is_not_told_is_no_obstacle(fetch: Fetch, site: Site):
    site.chunked = True
    seen: list[int | None] = []
    assert fetch(sha256=HASH, progress=lambda done, total: seen.append(total)).path.read_bytes() == CONTENT
    assert set(seen) == {None}


@pytest.mark.parametrize("code", [404, 403, 410])
def test_a_file_that_is_not_given_is_not_asked_for_again(fetch: Fetch, site: Site, folder: Path, code: int):
    site.codes = [code]
    sentence = _refusal(fetch)
    assert f"answered {code}" in sentence
    assert "--address" in sentence
    assert len(site.asked) == 1
    assert _files(folder) == []


def test_a_busy_server_is_asked_again(fetch: Fetch, site: Site):
    site.codes = [503, 429]
    assert fetch(sha256=HASH).path.read_bytes() == CONTENT
    site.codes = [500] * 4
    assert "cannot serve now (500)" in _refusal(fetch, address=f"{site.address}.other")


def test_a_silent_server_is_not_waited_for(fetch: Fetch, site: Site):
    site.silent = True
    assert "sent nothing for too long (attempts: 2)" in _refusal(fetch, read=0.1, retries=1)


def test_a_server_that_is_not_there(fetch: Fetch):
    assert "could not be reached" in _refusal(fetch, address="http://127.0.0.1:1/set.zip", retries=0)


def test_redirects_are_followed(fetch: Fetch, site: Site):
    site.redirects = [site.address + "?moved", "/elsewhere/set.zip"]
    assert fetch(sha256=HASH).path.name == "set.zip"


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/set.zip", "data:,x", "http://a:b@127.0.0.1/"]
)
def test_redirects_lead_only_to_the_web(fetch: Fetch, site: Site, folder: Path, target: str):
    site.redirects = [target]
    assert "http:// or https://" in _refusal(fetch)
    assert _files(folder) == []


def test_redirects_are_bounded(fetch: Fetch, site: Site):
    site.redirects = [site.address] * (REDIRECTS + 1)
    assert "more than 5 times" in _refusal(fetch)
    assert len(site.asked) == REDIRECTS + 1


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://host/x", "/etc/passwd", "http://", "https://user:word@host/x", "http://[::1",
     "http://host:port/x", "http://a..b/x", "http://host/\nx"],
)  # fmt: skip
def test_other_addresses_are_refused(fetch: Fetch, address: str):
    assert "http:// or https://" in _refusal(fetch, address=address)


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 64, "0" * 63])
def test_what_is_no_hash_is_refused(fetch: Fetch, site: Site, sha256: str):
    assert "64 digits" in _refusal(fetch, sha256=sha256)
    assert not site.asked


def test_too_large_a_file_is_refused_before_it_is_fetched(fetch: Fetch, site: Site, folder: Path):
    site.declared = 50_000_000_000
    assert "50,000.0 MB" in _refusal(fetch)
    site.declared = None
    assert "larger" in _refusal(fetch, size=len(CONTENT) - 1)
    assert _files(folder) == []
    assert fetch(size=len(CONTENT)).path.is_file()


def test_too_large_a_file_of_untold_length_is_cut(fetch: Fetch, site: Site, folder: Path):
    site.chunked = True
    assert "larger" in _refusal(fetch, size=1000)
    assert _files(folder) == []


def test_a_full_disk_is_noticed_before(fetch: Fetch, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 1000))  # type: ignore[attr-defined]
    assert "make room" in _refusal(fetch)
    assert _files(folder) == []


@pytest.mark.parametrize(
    ("path", "name"), [("a/..%2f..%2fevil.tar", "evil.tar"), ("", "archive"), (".hidden", "hidden"), ("a%00b", "a_b")]
)
def test_the_file_lies_in_the_folder_whatever_its_address(fetch: Fetch, site: Site, folder: Path, path: str, name: str):
    assert fetch(address=site.address.replace("files/set.zip", path)).path == folder / name
    assert _files(folder) == [name]


@pytest.mark.parametrize(("name", "value"), [("ALL_PROXY", "socks9://x"), ("SSL_CERT_FILE", "/nowhere.pem")])
def test_unusable_network_settings_are_said(fetch: Fetch, monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(name, value)
    assert "environment names" in _refusal(fetch)
