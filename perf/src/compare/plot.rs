//! Plots as SVG, written by hand: lines over logarithmic axes, and bars. Each shows the medians of its rounds, and as a
//! thin stroke the least and the greatest. Readable on light and on dark pages: the picture brings its own background,
//! which follows the reader's choice of colours.

use std::fmt::Write;

use super::figures::{Summary, Unit};
use super::server::Kind;

const WIDTH: f64 = 780.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 94.0;
const RIGHT: f64 = 210.0;
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
.spread { fill: none; stroke-width: 1.25 }
.over { stroke: #24292f }
.dashed { stroke-dasharray: 6 4 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.page { fill: #0d1117 }
.grid { stroke: #30363d }
.over { stroke: #e6edf3 }
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
    pub points: Vec<Point>,
}

/// One point of a line, with the spread of its rounds.
#[derive(Clone, Copy)]
pub struct Point {
    x: f64,
    median: f64,
    min: f64,
    max: f64,
}

impl Point {
    /// The point of a summary at `x`, once its figures have become what the axis shows.
    pub fn new(x: f64, summary: Summary, shown: impl Fn(f64) -> f64) -> Self {
        Self { x, median: shown(summary.median), min: shown(summary.min), max: shown(summary.max) }
    }
}

/// One bar of a plot.
pub struct Bar {
    /// Whose it is.
    pub kind: Kind,
    /// What it shows.
    pub summary: Summary,
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
pub struct Axes<'a> {
    /// Above the plot.
    pub title: &'a str,
    /// Below the plot.
    pub x: &'a str,
    /// Beside the plot.
    pub y: &'a str,
    /// How values of that axis are written.
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
pub fn lines(axes: &Axes<'_>, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let x = Axis::over(points().map(|point| point.x), LEFT, WIDTH - RIGHT);
    let y = Axis::over(points().flat_map(|point| [point.min, point.max]), HEIGHT - BOTTOM, TOP);
    let mut svg = open(axes.title, HEIGHT);
    grid(&mut svg, axes, lines, (&x, &y));
    // Backwards: the first, whom this is about, lies on top.
    for line in lines.iter().rev() {
        draw(&mut svg, line, (&x, &y));
    }
    label(&mut svg, lines, (&x, &y));
    svg + "</svg>\n"
}

/// The grid, what its lines stand for, and what the axes show.
fn grid(svg: &mut String, axes: &Axes<'_>, lines: &[Line], (x, y): (&Axis, &Axis)) {
    for tick in y.ticks() {
        let at = y.at(tick);
        rule(svg, (LEFT, at), (WIDTH - RIGHT, at));
        text(svg, (LEFT - 8.0, at + 4.0), "end", &axes.unit.write(tick));
    }
    let first_count = match axes.start {
        Start::Some => x.from,
        Start::None => {
            text(svg, (LEFT, HEIGHT - BOTTOM + 18.0), "middle", "none");
            lines.iter().filter_map(|line| line.points.get(1)).map(|point| point.x).fold(f64::MAX, f64::min)
        }
    };
    for tick in x.ticks().into_iter().filter(|tick| *tick >= first_count) {
        let at = x.at(tick);
        rule(svg, (at, TOP), (at, HEIGHT - BOTTOM));
        text(svg, (at, HEIGHT - BOTTOM + 18.0), "middle", &Unit::Count.write(tick));
    }
    text(svg, (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 12.0), "middle", axes.x);
    let middle = f64::midpoint(TOP, HEIGHT - BOTTOM);
    let _ = writeln!(
        svg,
        r#"<text transform="translate(18 {middle:.1}) rotate(-90)" text-anchor="middle">{}</text>"#,
        axes.y
    );
}

/// A line, its points, and the spread of each.
fn draw(svg: &mut String, line: &Line, (x, y): (&Axis, &Axis)) {
    let place = |point: &Point| format!("{:.1},{:.1}", x.at(point.x), y.at(point.median));
    let path: Vec<_> = line.points.iter().map(place).collect();
    let (colour, dashed) = (colour(line.kind), if line.stroke == Stroke::Dashed { " dashed" } else { "" });
    let _ = writeln!(svg, r#"<polyline class="line{dashed}" stroke="{colour}" points="{}"/>"#, path.join(" "));
    for point in &line.points {
        let (at, from, to) = (x.at(point.x), y.at(point.min), y.at(point.max));
        if point.min < point.max {
            let (left, right) = (at - 4.0, at + 4.0);
            let _ = writeln!(
                svg,
                r#"<path class="spread" stroke="{colour}" d="M{left:.1} {from:.1}H{right:.1}M{at:.1} {from:.1}V{to:.1}M{left:.1} {to:.1}H{right:.1}"/>"#
            );
        }
        if line.stroke == Stroke::Solid {
            let _ = writeln!(svg, r#"<circle cx="{at:.1}" cy="{:.1}" r="3.5" fill="{colour}"/>"#, y.at(point.median));
        }
    }
}

/// The names of the lines, at their ends.
fn label(svg: &mut String, lines: &[Line], (x, y): (&Axis, &Axis)) {
    let ends = lines.iter().filter_map(|line| Some((line, line.points.last()?)));
    let mut labels: Vec<_> = ends.map(|(line, end)| (y.at(end.median), x.at(end.x), line)).collect();
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut above = f64::MIN;
    for (wanted, from, line) in labels {
        let at = wanted.max(above + LABEL_STEP);
        above = at;
        let (start, colour) = (WIDTH - RIGHT + 12.0, colour(line.kind));
        let _ = writeln!(
            svg,
            r#"<path d="M{:.1} {wanted:.1}L{start:.1} {at:.1}" stroke="{colour}" stroke-width="1"/><circle cx="{:.1}" cy="{at:.1}" r="4" fill="{colour}"/>"#,
            from + 4.0,
            start + 4.0
        );
        text(svg, (start + 12.0, at + 4.0), "start", &line.label);
    }
}

/// Bars, one for each server in each group, all on one scale from zero. `axis` says what they show.
pub fn bars(title: &str, axis: &str, unit: Unit, groups: &[(&str, Vec<Bar>)]) -> String {
    let (step, head, gap, start, end) = (22.0, 20.0, 14.0, 176.0, WIDTH - 120.0);
    let all = || groups.iter().flat_map(|(_, bars)| bars);
    let bottom = TOP + all().count() as f64 * step + groups.len() as f64 * (head + gap);
    let tick = step_of(all().map(|bar| bar.summary.max).fold(0.0, f64::max));
    let longest = all().map(|bar| bar.summary.max).fold(tick, f64::max);
    let at_value = |value: f64| start + (end - start) * value / longest;
    let mut svg = open(title, bottom + 52.0);
    for count in 0..=(longest / tick) as u32 {
        let at = at_value(f64::from(count) * tick);
        rule(&mut svg, (at, TOP), (at, bottom));
        text(&mut svg, (at, bottom + 18.0), "middle", &unit.write(f64::from(count) * tick));
    }
    text(&mut svg, (f64::midpoint(start, end), bottom + 40.0), "middle", axis);
    let mut at = TOP;
    for (group, bars) in groups {
        text(&mut svg, (24.0, at + 12.0), "start", group);
        at += head;
        for Bar { kind, summary } in bars {
            let (length, colour) = (at_value(summary.median) - start, colour(*kind));
            text(&mut svg, (start - 8.0, at + 14.0), "end", kind.name());
            let _ = writeln!(
                svg,
                r#"<rect x="{start}" y="{:.1}" width="{length:.1}" height="{:.1}" fill="{colour}"/>"#,
                at + 2.0,
                step - 6.0
            );
            if summary.min < summary.max {
                let (from, to, middle) = (at_value(summary.min), at_value(summary.max), at + step / 2.0 - 1.0);
                let (above, below) = (middle - 4.0, middle + 4.0);
                let _ = writeln!(
                    svg,
                    r#"<path class="spread over" d="M{from:.1} {above:.1}V{below:.1}M{from:.1} {middle:.1}H{to:.1}M{to:.1} {above:.1}V{below:.1}"/>"#
                );
            }
            text(&mut svg, (at_value(summary.max) + 8.0, at + 14.0), "start", &unit.write(summary.median));
            at += step;
        }
        at += gap;
    }
    svg + "</svg>\n"
}

/// The distance of lines of the grid on a scale from zero: 1, 2 or 5 of a decade, so that there are three to six.
fn step_of(longest: f64) -> f64 {
    let decade = 10f64.powf(longest.max(f64::MIN_POSITIVE).log10().floor());
    let parts = longest / decade;
    decade
        * if parts < 2.0 {
            0.5
        } else if parts < 5.0 {
            1.0
        } else {
            2.0
        }
}

/// The colour of a server, told apart on white and on near-black.
fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Kinglet => "#e8590c",
        Kind::Baseline => "#868e96",
        Kind::CoalescingBaseline => "#b197fc",
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
