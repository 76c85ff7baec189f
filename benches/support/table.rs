//! Tables in Markdown, so that what is printed can be put into docs/performance.md as it is.

/// Prints a heading, a table, and a blank line.
pub(crate) fn print(title: &str, head: &[&str], rows: &[Vec<String>]) {
    println!("### {title}\n");
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.len()).collect();
    for row in rows {
        assert_eq!(row.len(), head.len(), "a row of {title} has its own number of cells");
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    print_row(head.iter().copied(), &widths);
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    print_row(rule.iter().map(String::as_str), &widths);
    for row in rows {
        print_row(row.iter().map(String::as_str), &widths);
    }
    println!();
}

fn print_row<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) {
    let cells: Vec<String> = cells.zip(widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
    println!("| {} |", cells.join(" | "));
}

/// What was reached, beside a target that is a largest value: `reached` or `missed`.
pub(crate) fn verdict(is_reached: bool) -> String {
    String::from(if is_reached { "reached" } else { "missed" })
}
