//! Plots as SVG, written by hand: lines over logarithmic axes, and bars. Readable on light and on dark pages: the
//! picture brings its own background, which follows the reader's choice of colours.

use std::fmt::Write;

use super::figures::Unit;
use super::server::Kind;

const WIDTH: f64 = 780.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 54.0;

/// The least distance between two labels, one below the other.
const LABEL_STEP: f64 = 15.0;

const STYLE: &str = "\
<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.page { fill: #ffffff }
.grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-width: 2.25 }
.dashed { stroke-dasharray: 6 4 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.page { fill: #0d1117 }
.grid { stroke: #30363d }
}
</style>
";

/// One line of a plot.
pub struct Line {
    /// What stands at its end.
    pub label: String,
    /// Whose it is.
    pub kind: Kind,
    /// How it is drawn.
    pub stroke: Stroke,
    /// Points, with x rising; both above zero.
    pub points: Vec<(f64, f64)>,
}

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// Through.
    Solid,
    /// In dashes.
    Dashed,
}

/// What is said about the axes of a plot.
pub struct Titles<'a> {
    /// Above the plot.
    pub title: &'a str,
    /// Below the plot.
    pub x: &'a str,
    /// How values of the other axis are written.
    pub unit: Unit,
    /// Whether the first points stand for no client at all, which a logarithmic axis has no place for.
    pub start: Start,
}

/// What the first points of a plot's lines stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// As many clients as they say.
    Some,
    /// No client.
    None,
}

/// A logarithmic axis over whole decades or their halves.
struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Axis {
    /// Covers these values, the least at `start` and the greatest at `end` of the picture.
    fn over(values: impl Iterator<Item = f64>, start: f64, end: f64) -> Self {
        let (from, to) = values.fold((f64::MAX, f64::MIN), |(from, to), value| (from.min(value), to.max(value)));
        let (from, to) = if from > to { (1.0, 10.0) } else { (from, to) };
        let (from, to) = (10f64.powf((from.log10() * 2.0).floor() / 2.0), 10f64.powf((to.log10() * 2.0).ceil() / 2.0));
        Self { from, to: if to > from { to } else { from * 10.0 }, start, end }
    }

    fn at(&self, value: f64) -> f64 {
        let part = (value / self.from).log10() / (self.to / self.from).log10();
        self.start + part.clamp(0.0, 1.0) * (self.end - self.start)
    }

    /// Where lines of the grid are: 1, 2, 5 of each decade, or the decades alone where they are many.
    fn ticks(&self) -> Vec<f64> {
        let decades = (self.to / self.from).log10();
        let steps: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let exponents = self.from.log10().floor() as i32..=self.to.log10().ceil() as i32;
        let all = exponents.flat_map(|exponent| steps.iter().map(move |step| step * 10f64.powi(exponent)));
        all.filter(|tick| *tick >= self.from * 0.999 && *tick <= self.to * 1.001).collect()
    }
}

/// Lines over the number of clients, both axes logarithmic.
pub fn lines(titles: &Titles<'_>, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let x = Axis::over(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
    let y = Axis::over(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
    let mut svg = open(titles.title, HEIGHT);
    for tick in y.ticks() {
        let at = y.at(tick);
        rule(&mut svg, (LEFT, at), (WIDTH - RIGHT, at));
        text(&mut svg, (LEFT - 8.0, at + 4.0), "end", &titles.unit.write(tick));
    }
    let first_count = match titles.start {
        Start::Some => x.from,
        Start::None => {
            text(&mut svg, (LEFT, HEIGHT - BOTTOM + 18.0), "middle", "none");
            lines.iter().filter_map(|line| line.points.get(1)).map(|point| point.0).fold(f64::MAX, f64::min)
        }
    };
    for tick in x.ticks().into_iter().filter(|tick| *tick >= first_count) {
        let at = x.at(tick);
        rule(&mut svg, (at, TOP), (at, HEIGHT - BOTTOM));
        text(&mut svg, (at, HEIGHT - BOTTOM + 18.0), "middle", &Unit::Count.write(tick));
    }
    text(&mut svg, (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 12.0), "middle", titles.x);
    let mut labels = Vec::new();
    // Backwards: the first, whom this is about, lies on top.
    for line in lines.iter().rev() {
        let path: Vec<_> =
            line.points.iter().map(|point| format!("{:.1},{:.1}", x.at(point.0), y.at(point.1))).collect();
        let (colour, dashed) = (colour(line.kind), if line.stroke == Stroke::Dashed { " dashed" } else { "" });
        let _ = writeln!(svg, r#"<polyline class="line{dashed}" stroke="{colour}" points="{}"/>"#, path.join(" "));
        if line.stroke == Stroke::Solid {
            for point in &line.points {
                let _ = writeln!(
                    svg,
                    r#"<circle cx="{:.1}" cy="{:.1}" r="3.5" fill="{colour}"/>"#,
                    x.at(point.0),
                    y.at(point.1)
                );
            }
        }
        if let Some(end) = line.points.last() {
            labels.push((y.at(end.1), x.at(end.0), colour, line.label.as_str()));
        }
    }
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut above = f64::MIN;
    for (wanted, from, colour, label) in labels {
        let at = wanted.max(above + LABEL_STEP);
        above = at;
        let start = WIDTH - RIGHT + 12.0;
        let _ = writeln!(
            svg,
            r#"<path d="M{:.1} {wanted:.1}L{start:.1} {at:.1}" stroke="{colour}" stroke-width="1"/><circle cx="{:.1}" cy="{at:.1}" r="4" fill="{colour}"/>"#,
            from + 4.0,
            start + 4.0
        );
        text(&mut svg, (start + 12.0, at + 4.0), "start", label);
    }
    svg + "</svg>\n"
}

/// Bars, one for each server in each group; each group has a scale of its own, from zero.
pub fn bars(title: &str, unit: Unit, groups: &[(&str, Vec<(Kind, f64)>)]) -> String {
    let (step, head, gap, start, end) = (22.0, 20.0, 14.0, 150.0, WIDTH - 110.0);
    let count: usize = groups.iter().map(|(_, bars)| bars.len()).sum();
    let mut svg = open(title, TOP + count as f64 * step + groups.len() as f64 * (head + gap) + 8.0);
    let mut at = TOP;
    for (group, bars) in groups {
        text(&mut svg, (24.0, at + 12.0), "start", group);
        at += head;
        let longest = bars.iter().map(|bar| bar.1).fold(0.0, f64::max);
        for (kind, value) in bars {
            let (length, colour) = ((end - start) * value / longest.max(f64::MIN_POSITIVE), colour(*kind));
            text(&mut svg, (start - 8.0, at + 14.0), "end", kind.name());
            let _ = writeln!(
                svg,
                r#"<rect x="{start}" y="{:.1}" width="{length:.1}" height="{:.1}" fill="{colour}"/>"#,
                at + 2.0,
                step - 6.0
            );
            text(&mut svg, (start + length + 8.0, at + 14.0), "start", &unit.write(*value));
            at += step;
        }
        at += gap;
    }
    svg + "</svg>\n"
}

/// The colour of a server, told apart on white and on near-black.
fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Kinglet => "#e8590c",
        Kind::Floor => "#868e96",
        Kind::CoalescingFloor => "#b197fc",
        Kind::Node => "#2f9e44",
        Kind::Socketioxide => "#228be6",
    }
}

fn open(title: &str, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\">\n<title>{title}</title>\n{STYLE}<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n"
    );
    let _ = writeln!(svg, r#"<text class="title" x="24" y="30">{title}</text>"#);
    svg
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        r#"<line class="grid" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}"/>"#,
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, what: &str) {
    let _ = writeln!(svg, r#"<text x="{:.1}" y="{:.1}" text-anchor="{anchor}">{what}</text>"#, at.0, at.1);
}
