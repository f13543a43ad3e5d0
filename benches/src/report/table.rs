//! The figures as text.

use crate::{figure::Figure, statistics::Spread};

/// Prints a line for each figure, and then what else is known of each.
pub(super) fn print(figures: &[Figure]) {
    println!(
        "{:<26} {:>12} {:>12} {:>7} {:>8} {:<4} {:<6} {:>23} {:>14}",
        "figure", "ours", "beside", "ratio", "bar", "met", "unit", "ours, low – high", "ratio"
    );
    for figure in figures {
        println!("{}", row(figure));
    }
    println!();
    for figure in figures {
        println!("{}", sentence(figure));
    }
}

fn row(figure: &Figure) -> String {
    let beside = match (figure.peers.first(), figure.limit) {
        (Some((_, value)), _) => number(*value),
        (None, Some(limit)) => number(limit.median),
        (None, None) => String::new(),
    };
    let ratio = figure.ratio.map_or(String::new(), |r| two(r.median));
    let bar = figure.bar.map_or(String::new(), |bar| {
        let sign = if figure.is_ceiling { "≤" } else { "≥" };
        let bar = if figure.ratio.is_some() {
            two(bar)
        } else {
            number(bar)
        };
        format!("{sign} {bar}")
    });
    let met = match figure.met {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    let span = |spread: Spread, text: fn(f64) -> String| {
        format!("{} – {}", text(spread.low), text(spread.high))
    };
    let ratios = figure.ratio.map_or(String::new(), |ratio| span(ratio, two));
    let line = format!(
        "{:<26} {:>12} {:>12} {:>7} {:>8} {:<4} {:<6} {:>23} {:>14}",
        figure.name,
        number(figure.ours.median),
        beside,
        ratio,
        bar,
        met,
        figure.unit,
        span(figure.ours, number),
        ratios,
    );
    line.trim_end().to_owned()
}

/// What is beside the value: peers and details.
fn sentence(figure: &Figure) -> String {
    let ours = number(figure.ours.median);
    let mut parts = vec![format!("{}: {ours} {}", figure.name, figure.unit)];
    for (name, value) in &figure.peers {
        parts.push(format!("{name} {}", number(*value)));
    }
    for (name, value) in &figure.details {
        parts.push(format!("{} {}", name.replace('_', " "), number(*value)));
    }
    parts.join(", ")
}

fn two(value: f64) -> String {
    format!("{value:.2}")
}

/// Three digits or more: all before the point, with spaces between thousands.
pub(crate) fn number(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1000.0 {
        return format!("{value:.0}");
    }
    if value.abs() < 1000.0 {
        let digits = match value.abs() {
            small if small < 1.0 => 3,
            small if small < 10.0 => 2,
            _ => 1,
        };
        return format!("{value:.digits$}");
    }
    let whole = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Bar, Outcome};

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(number(1_234_567.4), "1 234 567");
        assert_eq!(number(999.94), "999.9");
        assert_eq!(number(0.5), "0.500");
        assert_eq!(number(12.0), "12");
    }

    #[test]
    fn a_row_says_whether_the_bar_is_met() {
        let outcome = Outcome::new("a-figure", "MB/s", 50.0)
            .limit(100.0)
            .bar(Bar::Times(0.8));
        let figure = Figure::of(&[&outcome]).unwrap();
        let row = row(&figure);
        assert!(row.contains("≥ 0.80 NO"), "{row}");
        assert!(row.contains("0.50 – 0.50"), "{row}");
    }
}
