//! Groups of bars: a group for a figure, a bar for ours and for each that stands beside it.

use plotters::{
    backend::DrawingBackend,
    chart::{ChartBuilder, ChartContext, SeriesLabelPosition},
    coord::{Shift, cartesian::Cartesian2d, types::RangedCoordf64},
    drawing::DrawingArea,
    element::{PathElement, Rectangle, Text},
    style::{
        BLACK, Color, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{COLOURS, Drawing, FONT, short};
use crate::figure::Figure;

const OURS: &str = "Millstream";
const LIMIT: &str = "limit";
const PREPARED: &str = "Millstream, segments made ahead";

struct Bar {
    series: String,
    height: f64,
    label: String,
}

struct Group {
    name: String,
    bars: Vec<Bar>,
    /// What ours has to reach.
    bar: Option<f64>,
}

pub(super) struct Bars {
    title: &'static str,
    axis: &'static str,
    groups: Vec<Group>,
    /// What the bars are of, in the order of their colours.
    series: Vec<String>,
    /// Whether heights differ by so much that they are shown by their logarithms.
    logarithmic: bool,
}

impl Bars {
    fn new(title: &'static str, axis: &'static str, groups: Vec<Group>) -> Option<Bars> {
        let mut series: Vec<String> = Vec::new();
        for bar in groups.iter().flat_map(|group| &group.bars) {
            if !series.contains(&bar.series) {
                series.push(bar.series.clone());
            }
        }
        (!groups.is_empty()).then_some(Bars {
            title,
            axis,
            groups,
            series,
            logarithmic: false,
        })
    }

    fn colour(&self, series: &str) -> RGBColor {
        let at = self.series.iter().position(|other| other == series);
        COLOURS[at.unwrap_or(0) % COLOURS.len()]
    }
}

/// Ours as times the limit; the labels are megabytes a second.
pub(super) fn throughput(figures: &[Figure]) -> Option<Bars> {
    let group = |figure: &Figure| {
        let (ours, limit) = match figure.unit {
            "MB/s" => (figure.ours.median, figure.limit?.median),
            _ => (figure.detail("mb_per_s")?, figure.detail("limit_mb_per_s")?),
        };
        let bar = |series: &str, height, value| Bar {
            series: series.to_owned(),
            height,
            label: short(value),
        };
        Some(Group {
            name: figure.name.clone(),
            bars: vec![
                bar(OURS, figure.ratio?.median, ours),
                bar(LIMIT, 1.0, limit),
            ],
            bar: figure.bar,
        })
    };
    let groups = figures.iter().filter_map(group).collect();
    let axis = "times the limit; over the bars: MB/s of record data";
    Bars::new("Throughput beside its limit", axis, groups)
}

/// Records a second as times the best peer's; the labels say how many they are.
pub(super) fn peers(figures: &[Figure]) -> Option<Bars> {
    let group = |figure: &Figure| {
        let (_, best) = figure.peers.first()?;
        let bar = |series: &str, value: f64| Bar {
            series: series.to_owned(),
            height: value / best,
            label: short(value),
        };
        let mut bars = vec![bar(OURS, figure.ours.median)];
        if let Some(prepared) = figure.detail("prepared_records_per_s") {
            bars.push(bar(PREPARED, prepared));
        }
        // The same order in every group.
        let mut peers: Vec<_> = figure.peers.iter().collect();
        peers.sort_by(|a, b| a.0.cmp(&b.0));
        bars.extend(peers.into_iter().map(|(name, value)| bar(name, *value)));
        Some(Group {
            name: figure.name.clone(),
            bars,
            bar: figure.bar,
        })
    };
    let groups = figures.iter().filter_map(group).collect();
    let axis = "times the best peer; over the bars: records a second";
    let mut bars = Bars::new("Durable appends beside embedded peers", axis, groups)?;
    bars.logarithmic = true;
    Some(bars)
}

/// From a height to a place on the axis.
#[derive(Debug, Clone, Copy)]
enum Scale {
    Linear,
    /// From this power of ten on.
    Logarithmic(f64),
}

impl Scale {
    fn place(self, height: f64) -> f64 {
        match self {
            Scale::Linear => height,
            Scale::Logarithmic(low) => (height.log10() - low).max(0.0),
        }
    }

    fn name(self, place: f64) -> String {
        match self {
            Scale::Linear => format!("{place:.1}"),
            Scale::Logarithmic(low) if (place - place.round()).abs() < 0.01 => {
                let power = place + low;
                format!(
                    "{:.*}",
                    (-power).max(0.0).round() as usize,
                    10f64.powf(power)
                )
            }
            Scale::Logarithmic(_) => String::new(),
        }
    }
}

/// Where everything is drawn.
type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn failed(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn letters(v: VPos) -> TextStyle<'static> {
    TextStyle::from((FONT, 14).into_font()).pos(Pos::new(HPos::Center, v))
}

fn mark_style() -> ShapeStyle {
    ShapeStyle::from(&BLACK).stroke_width(2)
}

impl Bars {
    fn scale(&self) -> Scale {
        let heights = self.groups.iter().flat_map(|group| &group.bars);
        let lowest = heights.map(|bar| bar.height).fold(1.0, f64::min);
        match self.logarithmic {
            true => Scale::Logarithmic(lowest.max(1e-6).log10().floor()),
            false => Scale::Linear,
        }
    }

    /// A group whose first bar begins at `left`; `gap` is as high as a line of letters.
    fn draw_group<'a, B: DrawingBackend + 'a>(
        &self,
        chart: &mut Chart<'a, B>,
        group: &Group,
        left: f64,
        gap: f64,
    ) -> Result<(), String> {
        let scale = self.scale();
        let mark = group.bar.map(|bar| scale.place(bar));
        for (at, bar) in group.bars.iter().enumerate() {
            let colour = self.colour(&bar.series);
            let (left, top) = (left + at as f64, scale.place(bar.height));
            let body = [(left + 0.06, 0.0), (left + 0.94, top)];
            chart
                .draw_series([Rectangle::new(body, colour.filled())])
                .map_err(failed)?;
            // The mark is to strike no letters through.
            let above = match mark {
                Some(mark) if at == 0 && (top..top + gap * 1.2).contains(&mark) => mark,
                _ => top,
            };
            let place = (left + 0.5, above + gap * 0.2);
            let label = Text::new(bar.label.clone(), place, letters(VPos::Bottom));
            chart.draw_series([label]).map_err(failed)?;
        }
        if let Some(mark) = mark {
            let line = [(left - 0.1, mark), (left + 1.1, mark)];
            chart
                .draw_series([PathElement::new(line, mark_style())])
                .map_err(failed)?;
        }
        Ok(())
    }

    fn draw_legend<'a, B: DrawingBackend + 'a>(
        &self,
        chart: &mut Chart<'a, B>,
    ) -> Result<(), String> {
        // Bars and a line of no length: their only use is in the legend.
        let nothing = [(0.0, 0.0), (0.0, 0.0)];
        for series in &self.series {
            let colour = self.colour(series);
            chart
                .draw_series([Rectangle::new(nothing, colour.filled())])
                .map_err(failed)?
                .label(series.clone())
                .legend(move |(x, y)| {
                    Rectangle::new([(x, y - 6), (x + 14, y + 6)], colour.filled())
                });
        }
        chart
            .draw_series([PathElement::new(nothing, mark_style())])
            .map_err(failed)?
            .label("to be reached")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], mark_style()));
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, 15))
            .draw()
            .map_err(failed)
    }
}

impl Drawing for Bars {
    fn size(&self) -> (u32, u32) {
        let bars: usize = self.groups.iter().map(|group| group.bars.len() + 1).sum();
        (((bars * 36) as u32 + 160).max(1200), 620)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), String> {
        area.fill(&WHITE).map_err(failed)?;
        let scale = self.scale();
        let heights = self.groups.iter().flat_map(|group| &group.bars);
        // Above the bars is room for the legend.
        let headroom = if self.logarithmic { 1.6 } else { 1.3 };
        let top = scale.place(heights.map(|bar| bar.height).fold(1.0, f64::max)) * headroom;
        let widths = self
            .groups
            .iter()
            .map(|group| group.bars.len() as f64 + 1.0);
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, (FONT, 24))
            .margin(16)
            .x_label_area_size(56)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..widths.sum(), 0.0..top)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(0)
            .y_desc(self.axis)
            .y_label_formatter(&|place| scale.name(*place))
            .max_light_lines(1)
            .label_style((FONT, 15))
            .axis_desc_style((FONT, 15))
            .draw()
            .map_err(failed)?;
        let mut left = 0.5;
        for (at, group) in self.groups.iter().enumerate() {
            self.draw_group(&mut chart, group, left, top * 0.035)?;
            // Below the axis, in turn on two lines: names are longer than groups are wide.
            let middle = left + group.bars.len() as f64 / 2.0;
            let (x, y) = chart.backend_coord(&(middle, 0.0));
            let y = y + 10 + 22 * (at % 2) as i32;
            let name = Text::new(group.name.clone(), (x, y), letters(VPos::Top));
            area.draw(&name).map_err(failed)?;
            left += group.bars.len() as f64 + 1.0;
        }
        self.draw_legend(&mut chart)
    }
}

#[cfg(test)]
mod tests {
    use super::Scale;

    #[test]
    fn powers_of_ten_are_named() {
        let scale = Scale::Logarithmic(-2.0);
        assert_eq!(scale.name(scale.place(0.01)), "0.01");
        assert_eq!(scale.name(scale.place(10.0)), "10");
        assert_eq!(scale.name(scale.place(3.0)), "");
        assert_eq!(Scale::Linear.name(0.8), "0.8");
    }
}
