use super::*;

#[test]
fn columns_are_aligned_and_lines_have_no_trailing_space() {
    let mut table = Table::new(&[
        ("NAME", Side::Left),
        ("SHARDS", Side::Right),
        ("STATUS", Side::Left),
    ]);
    table.row(["orders".into(), "4".into(), "ACTIVE".into()]);
    table.row(["é".into(), "1000".into(), String::new()]);
    let expected = "\
NAME    SHARDS  STATUS
orders       4  ACTIVE
é         1000
";
    assert_eq!(table.to_string(), expected);
}

#[test]
fn a_cell_cannot_drive_the_terminal() {
    let mut table = Table::new(&[("NAME", Side::Left)]);
    table.row(["a\u{1b}[2Jb\n".into()]);
    assert_eq!(table.to_string(), "NAME\na\\u{1b}[2Jb\\n\n");
}
