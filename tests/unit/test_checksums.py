"""Checksums: the published ones of published texts, and nothing that holds its own can change unnoticed."""

import io
import json

import pytest

from hypnolens.io import checksums

# FIPS 180-2, appendices B.1 and B.2; RFC 3174 and RFC 1321 for the other two.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
LONG = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
OF_LONG = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"


def test_they_are_the_published_ones(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert checksums.sha256(b"abc") == checksums.digest_of_file(tmp_path / "abc") == ABC
    assert checksums.sha256_of_parts([LONG[:7], memoryview(LONG)[7:9], LONG[9:]]) == OF_LONG
    assert checksums.digest_of_file(tmp_path / "abc", "sha1") == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert checksums.digest_of_file(tmp_path / "abc", "md5") == "900150983cd24fb0d6963f7d28e17f72"


@pytest.mark.parametrize("block, end", [(1, 56), (7, 56), (7, 20), (100, 56), (7, 0), (7, -1)])
def test_a_part_of_a_file_comes_in_blocks(monkeypatch, block, end):
    monkeypatch.setattr(checksums, "BLOCK", block)
    found = list(checksums.blocks(io.BytesIO(LONG), end))
    assert b"".join(found) == LONG[: max(0, end)] and all(len(one) <= block for one in found)


def test_what_is_sealed_comes_back_and_no_change_goes_unnoticed():
    content = {"b": [1.5, None], "a": {2: "ä"}}
    sealed = json.loads(json.dumps(checksums.sealed(content, "sum")))
    assert checksums.unsealed(sealed, "sum") == {"b": [1.5, None], "a": {"2": "ä"}} and "sum" in sealed
    # By sha256sum, of {"a": {"2": "\u00e4"}, "b": [1.5, null]}
    assert sealed["sum"] == "b55952d7969cbc3e981a05a71ab02ebc3e30cb813ffa944df1a7501b8eb25270"
    for changed in ({"b": [1.5, 0]}, {"c": 1}, {"sum": "0" * 64}, {"sum": None}):
        with pytest.raises(ValueError, match="the card does not have its SHA-256"):
            checksums.unsealed({**sealed, **changed}, "sum", what="the card")
    with pytest.raises(ValueError, match="it has no checksum"):
        checksums.unsealed(content, "sum")


def test_a_sealed_file_is_one_until_any_byte_changes_or_is_gone(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with path.open("r+b") as file:
        checksums.seal_file(file)
    whole = path.read_bytes()
    assert whole == b"abc" + bytes.fromhex(ABC) and checksums.is_sealed(path)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert not checksums.is_sealed(path)
        path.write_bytes(whole[:place])
        assert not checksums.is_sealed(path)
