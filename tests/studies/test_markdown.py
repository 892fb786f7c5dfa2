from nasface.studies.markdown import markdown_table


def test_a_row_for_each_line() -> None:
    found = markdown_table(("name", "ms"), [["d0", "12.5"], ["d1", ""]])
    assert found == "| name | ms |\n| --- | --- |\n| d0 | 12.5 |\n| d1 |  |\n"
    assert markdown_table(("name",), []) == "| name |\n| --- |\n"
