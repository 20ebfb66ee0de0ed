from drivetrain.core.columns import aligned


def test_columns_line_up_and_those_of_numbers_end_at_one_place():
    rows = [("name", "size", "kind"), ("a", "1", "x"), ("longer", "1,000", "")]
    assert aligned(rows, [1]) == ["name     size  kind", "a           1  x", "longer  1,000"]


def test_of_no_rows_there_are_no_lines():
    assert aligned([]) == []
