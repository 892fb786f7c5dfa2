import nasface


def test_list_genotypes_and_spaces_by_pattern() -> None:
    assert "asfd-ref" in nasface.list_genotypes("asfd*")
    assert all(name.startswith("asfd") for name in nasface.list_genotypes("asfd*"))
    assert {"autofem", "darts"} <= set(nasface.list_search_spaces())
    assert nasface.list_search_spaces("nothing*") == []


def test_load_search_space_takes_parameters_by_keyword() -> None:
    space = nasface.load_search_space("autofem-cpm", nodes=6)
    assert len(space.cells["cpm_c2"].nodes) == 6
