# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.core.errors import Rejected
from personalization.shop.keys import Drop, is_part, is_shop, recognise

names = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=20)
shops = st.from_regex(r"[a-z0-9][a-z0-9-]{0,29}", fullmatch=True)


@pytest.mark.parametrize(
    ("key", "drop"),
    [
        ("interactions/a.csv", Drop(key="", kind="interactions", shop="demo")),
        ("items/가을 판매.CSV.GZ", Drop(key="", kind="items", shop="demo")),
        ("interactions/incremental/a.csv", Drop(key="", kind="interactions", shop="demo", mode="INCREMENTAL")),
        ("interactions/incremental.csv", Drop(key="", kind="interactions", shop="demo")),
        ("users/a.tsv.zst", Drop(key="", kind="users", shop="demo")),
        ("interactions/sales.zip", Drop(key="", kind="interactions", shop="demo")),
        ("items/가을 2026.11.gz", Drop(key="", kind="items", shop="demo")),
        ("items/a.XLSX", Drop(key="", kind="items", shop="demo")),
        ("settings.json", Drop(key="", kind="settings", shop="demo")),
        ("settings.yml", Drop(key="", kind="settings", shop="demo")),
        ("items/", Drop(key="", kind="nothing")),
        ("items/_SUCCESS", Drop(key="", kind="nothing")),
        ("items/incremental/_SUCCESS", Drop(key="", kind="nothing")),
        ("items/.DS_Store", Drop(key="", kind="nothing")),
    ],
)
def test_what_a_key_means(key: str, drop: Drop) -> None:
    recognised = recognise(f"drops/demo/{key}")
    assert (recognised.kind, recognised.shop, recognised.mode, recognised.folder) == (
        drop.kind,
        drop.shop,
        drop.mode,
        "",
    )


@pytest.mark.parametrize(
    ("marker", "mode", "has_manifest"),
    [
        ("interactions/2026-11/_SUCCESS", "FULL", False),
        ("users/2026/11/manifest", "FULL", True),
        ("items/incremental/autumn/manifest.json", "INCREMENTAL", True),
        ("items/unloaded/items_manifest", "FULL", True),
    ],
)
def test_a_marker_makes_its_folder_a_drop_and_parts_are_nothing(marker: str, mode: str, has_manifest: bool) -> None:
    drop = recognise(f"drops/demo/{marker}")
    assert (drop.shop, drop.data_kind, drop.mode) == ("demo", marker.partition("/")[0], mode)
    assert drop.folder == f"drops/demo/{marker.rpartition('/')[0]}/"
    assert drop.has_manifest == has_manifest
    for name in ("part-00000.csv", "part-1.snappy.parquet", "000000_0", "notes.md", ".part.crc", "_committed_17"):
        assert recognise(drop.folder + name) == Drop(key=drop.folder + name, kind="nothing")


@pytest.mark.parametrize(
    ("name", "can_be"),
    [
        ("part-00000-4f2d.c000.csv.gz", True),
        ("part-00000.snappy.parquet", True),
        ("0000_part_00", True),
        ("0001_part_00.gz", True),
        ("export.2026-11-000000000000", True),
        ("notes.md", False),
        ("part-0.orc", False),
        ("part-0.json.gz", True),
        ("part-0.csv.bz2", False),
    ],
)
def test_a_part_has_a_known_ending_or_none(name: str, can_be: bool) -> None:
    assert is_part(name) == can_be


@pytest.mark.parametrize("key", ["items/manifest", "users/incremental/users_manifest"])
def test_a_manifest_outside_a_folder_of_parts_is_refused(key: str) -> None:
    with pytest.raises(Rejected, match="a manifest belongs beside its parts"):
        recognise(f"drops/demo/{key}")


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("2026-12/_SUCCESS", "export"),
        ("2026-12/manifest.json", "export"),
        ("2026-12/orders.csv", "nothing"),
        ("2026-12/settings.yaml", "nothing"),
        ("2026-12/orders/_SUCCESS", "nothing"),
        ("incremental/orders.csv", "nothing"),
    ],
)
def test_an_export_is_a_folder_with_a_marker(key: str, kind: str) -> None:
    assert recognise(f"drops/demo/export/{key}").kind == kind


@pytest.mark.parametrize(
    ("key", "reason"),
    [("orders.csv", "go into a folder of their own"), ("incremental/_SUCCESS", "another name than incremental")],
)
def test_an_export_out_of_place_is_refused(key: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        recognise(f"drops/demo/export/{key}")


@pytest.mark.parametrize("key", ["", "/", "drops", "drops/", "imports/demo/x.csv", "reports/demo/a.json"])
def test_what_lies_elsewhere_is_nothing(key: str) -> None:
    assert recognise(key).kind == "nothing"


@pytest.mark.parametrize("key", ["drops/a.csv", "drops//items/a.csv", "drops/demo/a.csv", "drops/demo/settings.toml"])
def test_a_key_out_of_place_is_refused_with_the_layout(key: str) -> None:
    with pytest.raises(Rejected, match=r"keys are drops/|the shop's name must be"):
        recognise(key)


@pytest.mark.parametrize("shop", ["-a", "A", "a" * 31, "a_b", "a b", "가", "", "a\n"])
def test_a_shop_that_personalize_would_refuse_is_refused(shop: str) -> None:
    assert not is_shop(shop)
    with pytest.raises(Rejected, match="1 to 30 characters out of a-z, 0-9 and -"):
        recognise(f"drops/{shop}/items/a.csv")


@given(key=st.text(max_size=60))
def test_any_key_is_understood_or_refused(key: str) -> None:
    try:
        drop = recognise(f"drops/{key}")
    except Rejected:
        return
    assert (drop.kind == "nothing") == (drop.shop == "")


@given(
    shop=shops,
    kind=st.sampled_from(["interactions", "users", "items"]),
    folders=st.lists(names, max_size=3),
    file=names,
)
def test_a_well_formed_key_keeps_its_shop_and_kind(shop: str, kind: str, folders: list[str], file: str) -> None:
    lone = folders in ([], ["incremental"])
    drop = recognise("/".join(["drops", shop, kind, *folders, f"x{file}.csv" if lone else "_SUCCESS"]))
    assert (drop.shop, drop.kind, drop.data_kind) == (shop, kind, kind)
    assert (drop.mode == "INCREMENTAL") == (folders[:1] == ["incremental"])
    assert bool(drop.folder) != lone
