//! What a comparison leaves behind: `perf/RESULTS.md`, the plots and the raw figures in `perf/results/`.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use serde_json::json;

use super::Rounds;
use super::figures::{self as of, Figures, MEASURES, Measure, Section, Unit};
use super::plot::{self, Axes, Bar, Line, Point, Start, Stroke};
use super::redis::Redis;
use super::server::{Cgroups, Kind, Place};

/// The plots of a section: titles and file names.
type Plots = &'static [(&'static str, &'static str)];

const MEMORY_PLOTS: Plots = &[("Memory against connections", "memory")];
const CPU_PLOTS: Plots = &[("CPU time per delivery against connections", "cpu-per-delivery")];
const SMALL_TASK_PLOTS: Plots = &[
    ("Most deliveries a second", "small-task-deliveries"),
    ("Latency", "small-task-latency"),
    ("Latency of GET / while clients reconnect", "small-task-reconnection"),
];

/// Writes everything.
pub fn write(figures: &Figures, rounds: Rounds, place: &Place, took: Duration) -> Result<(), Box<dyn Error>> {
    let machine = Machine::look();
    let directory = place.root.join("perf/results");
    fs::create_dir_all(&directory)?;
    fs::write(place.root.join("perf/RESULTS.md"), page(figures, rounds, place, took)?)?;
    draw(figures, &directory)?;
    let raw = json!({
        "date": machine.date,
        "processor": machine.processor,
        "cores": machine.cores,
        "memory": machine.memory,
        "kernel": machine.kernel,
        "command": command(),
        "seconds": took.as_secs(),
        "cgroups": match place.cgroups {
            Cgroups::Version(version) => json!(version),
            Cgroups::Denied => json!(null),
        },
        "servers": figures.kinds().into_iter().map(|kind| {
            json!({"name": kind.key(), "description": kind.description(), "version": kind.version(&place.root)})
        }).collect::<Vec<_>>(),
        "results": figures.json(),
    });
    fs::write(directory.join("results.json"), format!("{raw:#}\n"))?;
    Ok(())
}

/// Draws the plots of the last results anew.
pub fn redraw(root: &Path) -> Result<(), Box<dyn Error>> {
    let directory = root.join("perf/results");
    let raw: serde_json::Value = serde_json::from_slice(&fs::read(directory.join("results.json"))?)?;
    Ok(draw(&Figures::from_json(&raw["results"]), &directory)?)
}

fn draw(figures: &Figures, directory: &Path) -> io::Result<()> {
    fs::write(directory.join("memory.svg"), memory_plot(figures))?;
    fs::write(directory.join("cpu-per-delivery.svg"), cpu_plot(figures))?;
    fs::write(directory.join("small-task-deliveries.svg"), deliveries_plot(figures))?;
    fs::write(directory.join("small-task-latency.svg"), latency_plot(figures))?;
    fs::write(directory.join("small-task-reconnection.svg"), reconnection_plot(figures))
}

/// What the figures were measured on.
struct Machine {
    processor: String,
    cores: usize,
    memory: String,
    kernel: String,
    date: String,
}

impl Machine {
    fn look() -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
            line.map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
        };
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = field("/proc/meminfo", "MemTotal");
        let kilobytes = memory.strip_suffix("kB").and_then(|number| number.trim().parse::<f64>().ok());
        let date = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
        Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: cpus.lines().filter(|line| line.starts_with("processor")).count(),
            memory: kilobytes.map_or(memory, |kilobytes| format!("{:.0} GiB", kilobytes / 1024.0 / 1024.0)),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            date: date
                .map_or_else(|_| "unknown".to_owned(), |date| String::from_utf8_lossy(&date.stdout).trim().to_owned()),
        }
    }
}

fn command() -> String {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    format!("cargo run --release -p perf -- {}", arguments.join(" "))
}

/// The page of results.
pub fn page(figures: &Figures, rounds: Rounds, place: &Place, took: Duration) -> Result<String, std::fmt::Error> {
    let mut page = String::from("# What it costs\n\n");
    method(&mut page, rounds, place, took)?;
    for kind in figures.kinds() {
        let version = kind.version(&place.root).map(|version| format!(" ({version})")).unwrap_or_default();
        writeln!(page, "- **{}**: {}{version}", kind.name(), kind.description())?;
    }
    tables(&mut page, figures, place)?;
    if !figures.failures().is_empty() {
        page += "\n## What could not be measured\n\n";
        for failure in figures.failures() {
            writeln!(page, "- {failure}")?;
        }
    }
    Ok(page)
}

/// How the figures were measured, and what they mean.
fn method(page: &mut String, rounds: Rounds, place: &Place, took: Duration) -> std::fmt::Result {
    let Machine { processor, cores, memory, kernel, date } = Machine::look();
    writeln!(page, "Written by `{}` on {date} in {:.0} minutes.\n", command(), took.as_secs_f64() / 60.0)?;
    writeln!(page, "- Machine: {processor} ({cores} cores, {memory}), Linux {kernel}")?;
    writeln!(
        page,
        "- Server on core {}, load on core {}, over loopback; messages of 100 bytes over WebSocket",
        place.cores.server, place.cores.load
    )?;
    match place.cgroups {
        Cgroups::Version(version) => writeln!(
            page,
            "- Each server in a cgroup (version {version}) of its own; CPU time is the cgroup's, RSS the process's"
        )?,
        Cgroups::Denied => writeln!(
            page,
            "- **Without cgroups, for want of permission**: nothing was limited, and CPU times are those of `/proc`, in \
             hundredths of a second"
        )?,
    }
    writeln!(
        page,
        "- A figure is the median of its rounds ({} for CPU time, {} for latency and the small task, one for memory, heartbeats and \
         the reconnection), the least and the greatest in brackets; in the plots a thin stroke spans them. `×` is against \
         one send per message, or against one send per turn where messages fall due together: the median of the rounds' \
         ratios. The kernel samples how CPU time divides into user and system by its tick, so these scatter; the total is exact\n\
         - One send per message is what a server costs that keeps nothing and makes one system call per delivery. It is \
         not a lower bound: a server that sends several messages in one `send` costs less for each\n",
        rounds.cpu, rounds.latency
    )
}

/// The sections that have figures, each with its plots.
fn tables(page: &mut String, figures: &Figures, place: &Place) -> std::fmt::Result {
    let small_task = match place.cgroups {
        Cgroups::Version(_) => "In 0.25 vCPU and 512 MB",
        Cgroups::Denied => "The loads for 0.25 vCPU and 512 MB, but unlimited",
    };
    for (section, title, plots) in [
        (Section::Memory, "Start and memory, unlimited", MEMORY_PLOTS),
        (Section::Cpu, "CPU time, unlimited", CPU_PLOTS),
        (Section::SmallTask, small_task, SMALL_TASK_PLOTS),
    ] {
        if table(page, figures, section, title)? {
            for (title, file) in plots {
                writeln!(page, "\n![{title}](results/{file}.svg)")?;
            }
        }
    }
    if table(page, figures, Section::Cluster, "Two instances on one Redis, unlimited")? {
        writeln!(
            page,
            "\nRedis {} and both instances have cgroups of their own and core {} together. An instance \
             alone has no Redis. CPU time is measured with one message at a time; what is added is the difference of two \
             latencies of the same round.",
            Redis::installed().unwrap_or_default(),
            place.cores.server
        )?;
    }
    Ok(())
}

/// Writes a section if it has any figure, and says whether.
fn table(page: &mut String, figures: &Figures, section: Section, title: &str) -> Result<bool, std::fmt::Error> {
    let measures = || MEASURES.iter().filter(|measure| measure.section == section);
    let kinds = figures.kinds();
    let has_any = |kind: &Kind| measures().any(|measure| figures.summary(*measure, *kind).is_some());
    if !kinds.iter().any(has_any) {
        return Ok(false);
    }
    writeln!(page, "\n## {title}\n")?;
    writeln!(page, "| | {} |", kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" | "))?;
    writeln!(page, "|---|{}", "---|".repeat(kinds.len()))?;
    for measure in measures() {
        let cells: Vec<_> = kinds.iter().map(|kind| cell(figures, *measure, *kind)).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            writeln!(page, "| {} | {} |", measure.title, cells.join(" | "))?;
        }
    }
    Ok(true)
}

fn cell(figures: &Figures, measure: Measure, kind: Kind) -> String {
    let Some(summary) = figures.summary(measure, kind) else { return String::new() };
    let mut cell = measure.unit.write(summary.median);
    if summary.count > 1 && summary.min < summary.max {
        let _ = write!(cell, " ({}–{})", of::short(summary.min), of::short(summary.max));
    }
    if let Some(ratio) = figures.against_baseline(measure, kind) {
        let _ = write!(cell, " · {}×", of::short(ratio));
    }
    cell
}

fn memory_plot(figures: &Figures) -> String {
    let mut lines = Vec::new();
    for kind in figures.kinds() {
        let Some(base) = figures.summary(of::BASE_RSS, kind) else { continue };
        let each = [(1e3, of::RSS_1K), (1e4, of::RSS_10K), (1.9e4, of::RSS_19K)];
        let points = each.into_iter().filter_map(|(clients, each)| {
            let with_clients = |bytes: f64| base.median + clients * bytes / 1e6;
            Some(Point::new(clients, figures.summary(each, kind)?, with_clients))
        });
        // The scale has no zero: the first point stands for no client.
        let points = std::iter::once(Point::new(100.0, base, |megabytes| megabytes)).chain(points).collect();
        lines.push(Line { label: kind.name().to_owned(), kind, stroke: Stroke::Solid, points });
    }
    let axes = Axes {
        title: "Resident memory of the server",
        x: "idle WebSocket clients (logarithmic)",
        y: "resident memory (logarithmic)",
        unit: Unit::Megabytes,
        start: Start::None,
    };
    plot::lines(&axes, &lines)
}

fn cpu_plot(figures: &Figures) -> String {
    let one = [(100.0, of::ONE_100), (1e3, of::ONE_1K), (1e4, of::ONE_10K)];
    let ten = [(1e3, of::TEN_1K), (1e4, of::TEN_10K)];
    let mut lines = Vec::new();
    for kind in figures.kinds() {
        for (name, stroke, measures) in [("", Stroke::Solid, &one[..]), (", ten", Stroke::Dashed, &ten[..])] {
            let point = |(clients, measure): &(f64, Measure)| {
                Some(Point::new(*clients, figures.summary(*measure, kind)?, |micros| micros))
            };
            let points: Vec<_> = measures.iter().filter_map(point).collect();
            if !points.is_empty() {
                lines.push(Line { label: format!("{}{name}", kind.name()), kind, stroke, points });
            }
        }
    }
    let axes = Axes {
        title: "CPU time per delivery: one message at a time, and (dashed) ten due at once",
        x: "WebSocket clients (logarithmic)",
        y: "CPU time per delivery (logarithmic)",
        unit: Unit::Micros,
        start: Start::Some,
    };
    plot::lines(&axes, &lines)
}

fn deliveries_plot(figures: &Figures) -> String {
    let groups = [group(figures, "one message a write", of::MOST_ONE), group(figures, "ten a write", of::MOST_TEN)];
    plot::bars("Most deliveries to 1,000 clients, in 0.25 vCPU", "deliveries a second", Unit::PerSecond, &groups)
}

fn latency_plot(figures: &Figures) -> String {
    let groups =
        [group(figures, "1 message a second", of::SLOW_P99), group(figures, "10 messages a second", of::FAST_P99)];
    plot::bars("Latency with 1,000 clients, in 0.25 vCPU", "latency, 99th percentile", Unit::Millis, &groups)
}

fn reconnection_plot(figures: &Figures) -> String {
    let groups = [group(figures, "GET / while 10,000 clients reconnect at once", of::BACK_GET)];
    plot::bars("A wave of clients, in 0.25 vCPU", "latency, 99th percentile", Unit::Millis, &groups)
}

fn group<'a>(figures: &Figures, title: &'a str, measure: Measure) -> (&'a str, Vec<Bar>) {
    let bar = |kind| Some(Bar { kind, summary: figures.summary(measure, kind)? });
    (title, figures.kinds().into_iter().filter_map(bar).collect())
}
