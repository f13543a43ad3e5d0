//! Latencies by percentile: further to the right are rarer ones.

use plotters::{
    backend::DrawingBackend,
    chart::{ChartBuilder, SeriesLabelPosition},
    coord::Shift,
    drawing::DrawingArea,
    element::PathElement,
    series::LineSeries,
    style::{BLACK, Color, ShapeStyle, WHITE},
};

use super::{COLOURS, Drawing, FONT};
use crate::figure::Curve;

/// Steps between two nines.
const STEPS: u32 = 50;
/// Nines that are shown at most.
const NINES: u32 = 4;

pub(super) struct Percentiles<'a> {
    pub(super) curves: &'a [Curve],
}

/// Nines of a percentile, and the logarithm of the microseconds there.
fn points(curve: &Curve) -> Vec<(f64, f64)> {
    let samples = curve.latencies.len().max(1) as f64;
    (0..=STEPS * NINES)
        .map(|step| f64::from(step) / f64::from(STEPS))
        // Beyond, a single sample would be drawn as a line.
        .take_while(|nines| *nines <= samples.log10())
        .map(|nines| {
            let quantile = 1.0 - 10f64.powf(-nines);
            let us = curve.latencies.value_at_quantile(quantile) as f64 / 1000.0;
            (nines, us.max(0.1).log10())
        })
        .collect()
}

fn percentile(nines: f64) -> String {
    match nines.round() as i32 {
        0 => "lowest".to_owned(),
        1 => "p90".to_owned(),
        2 => "p99".to_owned(),
        more => format!("p99.{}", "9".repeat(more.unsigned_abs() as usize - 2)),
    }
}

fn microseconds(logarithm: f64) -> String {
    match 10f64.powf(logarithm) {
        us if us >= 999.5 => format!("{:.0} ms", us / 1000.0),
        us if us >= 1.0 => format!("{us:.0} µs"),
        us => format!("{us:.1} µs"),
    }
}

impl Drawing for Percentiles<'_> {
    fn size(&self) -> (u32, u32) {
        (1000, 620)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        area.fill(&WHITE).map_err(|e| failed(&e))?;
        let curves: Vec<_> = self
            .curves
            .iter()
            .map(|curve| (curve.name, points(curve)))
            .collect();
        let heights = curves.iter().flat_map(|(_, points)| points).map(|p| p.1);
        let (low, high) = heights.fold((f64::MAX, f64::MIN), |(low, high), y| {
            (low.min(y), high.max(y))
        });
        let mut chart = ChartBuilder::on(area)
            .caption("Latency by percentile", (FONT, 24))
            .margin(16)
            .margin_right(32)
            .x_label_area_size(48)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..f64::from(NINES), low.floor()..high.ceil())
            .map_err(|e| failed(&e))?;
        chart
            .configure_mesh()
            .x_labels(NINES as usize + 1)
            .x_label_formatter(&|nines| percentile(*nines))
            .y_labels((high.ceil() - low.floor()) as usize + 1)
            .y_label_formatter(&|logarithm| microseconds(*logarithm))
            .label_style((FONT, 15))
            .max_light_lines(1)
            .bold_line_style(BLACK.mix(0.2))
            .draw()
            .map_err(|e| failed(&e))?;
        for (at, (name, points)) in curves.into_iter().enumerate() {
            let style = ShapeStyle::from(&COLOURS[at % COLOURS.len()]).stroke_width(3);
            chart
                .draw_series(LineSeries::new(points, style))
                .map_err(|e| failed(&e))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, 15))
            .draw()
            .map_err(|e| failed(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nines_are_percentiles() {
        assert_eq!(percentile(1.0), "p90");
        assert_eq!(percentile(2.0), "p99");
        assert_eq!(percentile(4.0), "p99.99");
    }

    #[test]
    fn a_curve_ends_where_its_samples_do() {
        let mut latencies = hdrhistogram::Histogram::new_with_bounds(1, 1_000_000, 3).unwrap();
        for us in 1..=100 {
            latencies.record(us * 1000).unwrap();
        }
        let name = "some";
        let points = points(&Curve { name, latencies });
        let (nines, last) = *points.last().unwrap();
        assert!((nines - 2.0).abs() < 0.001);
        assert!((last - 99f64.log10()).abs() < 0.01);
    }
}
