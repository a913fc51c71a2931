//! The files for deployment name settings and metrics that exist, and give the server the time that it takes to end.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use kinglet::{Config, SETTINGS, Server};
use serde_json::Value;

const METRICS: &str = include_str!("../docs/metrics.md");

/// What the server takes beyond the drain: two seconds for its clients, one for Redis.
const END: Duration = Duration::from_secs(3);

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(project().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// All files from which the server is deployed.
fn files() -> Vec<String> {
    let entries = fs::read_dir(project().join("deploy")).expect("the folder").map(|entry| entry.expect("an entry"));
    let kit = entries.map(|entry| format!("deploy/{}", entry.file_name().to_string_lossy()));
    kit.chain(["stacktape.yml".to_owned(), "compose.yaml".to_owned()]).collect()
}

/// The words of a text that begin so.
fn words<'a>(text: &'a str, beginning: &str) -> BTreeSet<&'a str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c)).filter(|word| word.starts_with(beginning)).collect()
}

/// The number behind the first place of `name`, in seconds.
fn seconds(file: &str, name: &str) -> Duration {
    let text = read(file);
    let (_, behind) = text.split_once(name).unwrap_or_else(|| panic!("{file} has no {name:?}"));
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    Duration::from_secs(digits.parse().unwrap_or_else(|_| panic!("{file}: no number behind {name:?}")))
}

/// The metrics in the page that lists them all, which a test of `tests/ops` compares with the program.
fn metrics() -> BTreeSet<String> {
    let rows = METRICS.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.flat_map(|(name, rest)| match rest.starts_with("histogram") {
        true => ["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")).to_vec(),
        false => vec![name.to_owned()],
    })
    .collect()
}

/// Asks another program about a file, if that program is installed.
fn ask(program: &str, arguments: &[&str]) {
    let asked = Command::new(program).args(arguments).current_dir(project()).stdin(Stdio::null()).output();
    let Ok(answer) = asked else { return eprintln!("{program} is not installed: not asked") };
    let says = [answer.stdout, answer.stderr].concat();
    assert!(answer.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&says));
}

#[test]
fn the_settings_that_they_name_exist() {
    for file in files() {
        let text = read(&file);
        let named = words(&text, "KINGLET_").into_iter().chain(words(&text, "REDIS_URL"));
        for name in named {
            assert!(SETTINGS.iter().any(|setting| setting.name == name), "{file}: {name} is no setting");
        }
    }
    assert!(words(&read("deploy/kubernetes.yml"), "KINGLET_").len() > 3, "they are found");
}

#[test]
fn the_metrics_that_they_name_exist() {
    let known = metrics();
    for file in ["deploy/alerts.yml", "deploy/grafana.json"] {
        let text = read(file);
        let named: Vec<&str> = words(&text, "kinglet_").into_iter().chain(words(&text, "process_")).collect();
        assert!(named.len() > 10, "{file}: {named:?}");
        for name in named {
            assert!(known.contains(name), "{file}: there is no metric {name}");
        }
    }
}

#[test]
fn what_instances_do_for_each_other_is_in_the_dashboard() {
    let dashboard = read("deploy/grafana.json");
    for name in
        ["peers", "relayed_requests_total", "relay_failures_total", "moves_total", "tunnels", "recoveries_total"]
    {
        assert!(dashboard.contains(&format!("kinglet_{name}{{")), "{name}");
    }
}

#[test]
fn the_limits_whose_alarm_rings_exist() {
    let server = Server::new(Config { address: [127, 0, 0, 1].into(), port: 0, ..Config::default() });
    let running = server.expect("settings").start().expect("it starts");
    let limits: Vec<&str> = running.handle().metrics().limits_hit.iter().map(|(name, _)| *name).collect();
    running.handle().close();
    running.join().expect("it ends well");
    let text = read("deploy/alerts.yml");
    let alarms: Vec<&str> = text.split("limit=~\"").skip(1).collect();
    assert_eq!(alarms.len(), 2, "an alarm for the server, and one for what blocks");
    let named = alarms.iter().flat_map(|behind| behind.split('"').next().unwrap_or_default().split('|'));
    for name in named {
        assert!(limits.contains(&name), "there is no limit {name}");
        let alarm = METRICS.lines().find(|line| line.starts_with("| `kinglet_limit_hits_total`")).expect("its row");
        assert!(alarm.contains(&format!("`{name}`")), "docs/metrics.md does not name {name}");
    }
}

#[test]
fn platforms_wait_until_the_server_has_let_its_clients_go() {
    let takes = Config::default().drain + END;
    let wait = seconds("deploy/kubernetes.yml", "sleep: {seconds: ");
    let kubernetes = seconds("deploy/kubernetes.yml", "\n      terminationGracePeriodSeconds: ");
    assert!(wait + takes < kubernetes, "Kubernetes kills after {kubernetes:?}");
    for (file, name) in [
        ("deploy/kinglet.service", "\nTimeoutStopSec="),
        ("deploy/ecs-task-definition.json", "\"stopTimeout\": "),
        ("stacktape.yml", "\n          stopTimeout: "),
        ("compose.yaml", "\n    stop_grace_period: "),
    ] {
        assert!(takes < seconds(file, name), "{file} kills too early");
        assert!(!read(file).contains("KINGLET_DRAIN:") && !read(file).contains("\"KINGLET_DRAIN\""), "another drain");
    }
}

#[test]
fn the_ecs_task_is_one_that_fargate_has() {
    let task: Value = serde_json::from_str(&read("deploy/ecs-task-definition.json")).expect("JSON");
    assert_eq!((&task["cpu"], &task["memory"]), (&"256".into(), &"512".into()));
    let container = &task["containerDefinitions"][0];
    let variable = |name: &str| {
        let variables = container["environment"].as_array().expect("variables");
        variables.iter().find(|variable| variable["name"] == name).map(|variable| variable["value"].clone())
    };
    assert_eq!(variable("KINGLET_MEMORY"), Some("512MiB".into()));
    for (place, name) in [(0, "PORT"), (1, "KINGLET_OPS_PORT")] {
        let port = container["portMappings"][place]["containerPort"].to_string();
        assert_eq!(variable(name), Some(port.into()));
    }
}

#[test]
fn each_panel_of_the_dashboard_asks_the_chosen_prometheus() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "each has an id of its own");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().expect("what it asks");
        assert!(!targets.is_empty() && panel["description"].is_string(), "{panel}");
        for target in targets {
            let expression = target["expr"].as_str().expect("an expression");
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            assert!(expression.contains("{job=\"$job\",instance=~\"$instance\""), "{expression}");
        }
    }
}

#[test]
fn images_have_the_version_of_the_program() {
    for file in ["deploy/kubernetes.yml", "deploy/ecs-task-definition.json"] {
        assert!(read(file).contains(concat!("/kinglet:", env!("CARGO_PKG_VERSION"))), "{file}");
    }
}

#[test]
fn other_programs_accept_them() {
    ask("promtool", &["check", "rules", "deploy/alerts.yml"]);
    // The program is not where the unit expects it, so this one stands in for it.
    let unit = read("deploy/kinglet.service").replace("/usr/local/bin/kinglet", "/bin/true");
    let folder: PathBuf = std::env::temp_dir().join(format!("kinglet-deploy-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a new folder");
    let file = folder.join("kinglet.service");
    fs::write(&file, unit).expect("a new file");
    ask("systemd-analyze", &["verify", &file.to_string_lossy()]);
    fs::remove_dir_all(folder).expect("the folder goes");
}
