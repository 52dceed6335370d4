"""Compressed files: any number of members, damage at any place, and files that would fill the memory."""

import bz2
import gzip
import lzma

import numpy as np
import pytest
import zstandard

from nce_train.embeddings.formats import compression
from nce_train.embeddings.formats.compression import open_reading, open_writing
from nce_train.errors import InputError

PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard.compress}
NOISE = np.random.default_rng(6).bytes(200_000)


def unpacked(path):
    with open_reading(path) as file:
        return file.read()


@pytest.mark.parametrize("ending", PACK)
def test_what_is_written_is_read_back_and_detected_by_contents(tmp_path, ending):
    for name in (f"a{ending}", f"b{ending.upper()}"):
        with open_writing(tmp_path / name) as file:
            file.write(NOISE)
            file.write(b"end")
        (tmp_path / name).rename(tmp_path / "v")
        assert (tmp_path / "v").read_bytes()[:2] == PACK[ending](b"")[:2]
        assert unpacked(tmp_path / "v") == NOISE + b"end"


@pytest.mark.parametrize("ending", PACK)
def test_all_members_are_read(tmp_path, ending):
    pack = PACK[ending]
    (tmp_path / "v").write_bytes(pack(b"one ") + pack(b"") + pack(NOISE) + pack(b" end") + bytes(12))
    assert unpacked(tmp_path / "v") == b"one " + NOISE + b" end"


@pytest.mark.parametrize("padding", [4, 70_000])
def test_zeros_between_members_are_padding(tmp_path, padding):
    (tmp_path / "v").write_bytes(gzip.compress(b"one ") + bytes(padding) + gzip.compress(b"end"))
    assert unpacked(tmp_path / "v") == b"one end"


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("damage", [lambda raw: raw[:-3], lambda raw: raw + b"x", lambda raw: raw[:1000]])
def test_damage_after_the_first_member_is_detected(tmp_path, ending, damage):
    pack = PACK[ending]
    (tmp_path / "v").write_bytes(pack(b"one") + damage(pack(NOISE)))
    with pytest.raises(InputError, match=r"v is (cut short|damaged): its \w+ data (has no end|is invalid)"):
        unpacked(tmp_path / "v")


@pytest.mark.parametrize("ending", PACK)
def test_a_flipped_bit_is_detected(tmp_path, ending):
    with open_writing(tmp_path / f"v{ending}") as file:
        file.write(NOISE)
    content = bytearray((tmp_path / f"v{ending}").read_bytes())
    content[100_000] ^= 4
    (tmp_path / f"v{ending}").write_bytes(content)
    with pytest.raises(InputError, match=r"is damaged: its \w+ data is invalid"):
        unpacked(tmp_path / f"v{ending}")


@pytest.mark.parametrize("ending", PACK)
def test_a_file_that_unpacks_to_far_more_than_vectors_do_is_refused(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(compression, "_ALWAYS_ALLOWED", 1 << 20)
    monkeypatch.setattr(compression, "_LARGEST_RATIO", 10)
    (tmp_path / "v").write_bytes(PACK[ending](bytes(1 << 20)))
    assert unpacked(tmp_path / "v") == bytes(1 << 20)
    (tmp_path / "v").write_bytes(PACK[ending](bytes(2 << 20)))
    with pytest.raises(InputError, match="v: it unpacks to more than 10 times its size"):
        unpacked(tmp_path / "v")


def test_zstd_may_have_a_large_window(tmp_path):
    parameters = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=False, strategy=1, hash_log=10)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    (tmp_path / "v").write_bytes(packer.compress(NOISE) + packer.flush())
    assert unpacked(tmp_path / "v") == NOISE
