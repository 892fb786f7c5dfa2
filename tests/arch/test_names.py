import pytest

from nasface.arch.names import check_name, check_title
from nasface.errors import SpecError


@pytest.mark.parametrize("name", ["", "a.b", "1st", "_x", "a b", "a-", "\N{LATIN SMALL LETTER AE}"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match=r"^cells: .* cannot be a name; expected a letter"):
        check_name("cells", name)


def test_names_have_64_characters_at_most() -> None:
    check_name("cells", "cpm_c2")
    check_name("cells", "a" * 64)
    with pytest.raises(SpecError, match="up to 63 letters") as refused:
        check_name("cells", "a" * 100_000)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("title", ["", "two\nlines", "a" * 201])
def test_titles_fit_on_a_line(title: str) -> None:
    check_title("name", "ASFD, reference")
    with pytest.raises(SpecError, match=r"^name: .* cannot be shown; expected 1 to 200 characters"):
        check_title("name", title)
