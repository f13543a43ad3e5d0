//! Drawings of a run, each as SVG and as PNG: throughput beside the limits, rates beside the peers,
//! and latencies by percentile.
//!
//! The letters of the PNG come with the program, so that no font has to be on the machine.

mod bars;
mod percentiles;

use std::{fs::File, io::BufWriter, path::Path};

use plotters::{
    backend::{BitMapBackend, DrawingBackend},
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    prelude::SVGBackend,
    style::{FontStyle, RGBColor, register_font},
};

use crate::{
    error::BenchError,
    figure::{Curve, Figure},
};

/// Colours that can be told apart, also by those who see fewer of them (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(160, 160, 160),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(120, 94, 60),
];
const FONT: &str = "sans-serif";

/// What can be drawn on anything.
trait Drawing {
    /// Width and height.
    fn size(&self) -> (u32, u32);
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), String>;
}

/// Draws what there is to draw into `directory`.
pub(crate) fn draw(
    directory: &Path,
    figures: &[Figure],
    curves: &[Curve],
) -> Result<(), BenchError> {
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
        .and_then(|()| register_font(FONT, FontStyle::Bold, dejavu::sans::bold()))
        .map_err(|_| BenchError::wrong("the letters of the drawings cannot be read"))?;
    if let Some(chart) = bars::throughput(figures) {
        both(directory, "throughput", &chart)?;
    }
    if let Some(chart) = bars::peers(figures) {
        both(directory, "peers", &chart)?;
    }
    if !curves.is_empty() {
        let chart = percentiles::Percentiles { curves };
        both(directory, "latency", &chart)?;
    }
    Ok(())
}

/// As SVG, and as PNG.
fn both(directory: &Path, name: &str, drawing: &impl Drawing) -> Result<(), BenchError> {
    let failed = |error| BenchError::wrong(format!("drawing {name}: {error}"));
    let svg = directory.join(format!("{name}.svg"));
    let area = SVGBackend::new(&svg, drawing.size()).into_drawing_area();
    drawing.draw(&area).map_err(failed)?;
    area.present().map_err(|error| failed(error.to_string()))?;
    drop(area);
    println!("{}", svg.display());

    let (width, height) = drawing.size();
    let mut pixels = vec![0; (width * height * 3) as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
    drawing.draw(&area).map_err(failed)?;
    area.present().map_err(|error| failed(error.to_string()))?;
    drop(area);
    let path = directory.join(format!("{name}.png"));
    let file = File::create(&path).map_err(BenchError::io("make", &path))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels))
        .map_err(|error| failed(error.to_string()))?;
    println!("{}", path.display());
    Ok(())
}

/// A number in few letters.
fn short(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        millions if millions >= 1e6 => (value / 1e6, "M"),
        thousands if thousands >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    match scaled.abs() {
        large if large >= 100.0 => format!("{scaled:.0}{suffix}"),
        medium if medium >= 10.0 || suffix.is_empty() => format!("{scaled:.0}{suffix}"),
        _ => format!("{scaled:.1}{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(1_234_567.0), "1.2M");
        assert_eq!(short(12_345.0), "12k");
        assert_eq!(short(3_081.0), "3081");
    }
}
