import re
from hashlib import sha256

from controller.web.render import STATIC

SUM = re.compile(
    r"^\| `(?P<file>[^`]+)` \| npm `(?P<package>[^`]+)` \| (?P<licence>\S+) \| `(?P<sum>[0-9a-f]{64})` \|$",
    re.MULTILINE,
)


def test_other_peoples_files_are_as_published_with_version_and_licence() -> None:
    vendor = STATIC / "vendor"
    listed = {found["file"]: found for found in SUM.finditer((vendor / "README.md").read_text(encoding="utf-8"))}
    scripts = {file.name for file in vendor.iterdir() if file.name.endswith((".js", ".css"))}

    assert set(listed) == scripts
    for name, found in listed.items():
        assert sha256((vendor / name).read_bytes()).hexdigest() == found["sum"]
        assert (vendor / f"{name.partition('.min.')[0]}.LICENSE").is_file()
        assert found["package"].rpartition("@")[2] in name


def test_nothing_of_ours_is_fetched_from_elsewhere() -> None:
    assert "url(" not in (STATIC / "page.css").read_text(encoding="utf-8")
    assert "@import" not in (STATIC / "page.css").read_text(encoding="utf-8")
